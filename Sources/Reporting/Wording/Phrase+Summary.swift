/// Header, findings, segment cards.
extension Phrase {
  static let title = Phrase(
    en: "Customer segments, {0}",
    tr: "Müşteri segmentleri, {0}",
    ru: "Сегменты клиентов, {0}",
    zh: "客户分群，{0}")
  static let run = Phrase(
    en: "Run",
    tr: "Çalıştırma",
    ru: "Запуск",
    zh: "运行")
  static let asOf = Phrase(
    en: "As of",
    tr: "Tarih itibarıyla",
    ru: "По состоянию на",
    zh: "截至日期")
  static let model = Phrase(
    en: "Model",
    tr: "Model",
    ru: "Модель",
    zh: "模型")
  static let previousRun = Phrase(
    en: "Compared with",
    tr: "Karşılaştırılan",
    ru: "Сравнение с",
    zh: "对比")
  static let customers = Phrase(
    en: "Customers",
    tr: "Müşteri",
    ru: "Клиенты",
    zh: "客户")
  static let segments = Phrase(
    en: "Segments",
    tr: "Segmentler",
    ru: "Сегменты",
    zh: "分群")
  static let contents = Phrase(
    en: "Contents",
    tr: "İçindekiler",
    ru: "Содержание",
    zh: "目录")
  static let theme = Phrase(
    en: "Light or dark",
    tr: "Açık veya koyu",
    ru: "Светлая или тёмная тема",
    zh: "浅色或深色")
  static let attention = Phrase(
    en: "Needs attention",
    tr: "Dikkat gerektirenler",
    ru: "Требует внимания",
    zh: "需要关注")
  static let inShort = Phrase(
    en: "In short",
    tr: "Özet",
    ru: "Коротко",
    zh: "概要")
  static let nothingUnusual = Phrase(
    en: "Nothing unusual was found.",
    tr: "Olağan dışı bir şey bulunmadı.",
    ru: "Ничего необычного не обнаружено.",
    zh: "未发现异常。")
  static let findingScored = Phrase(
    en: "As of {0}, {1} customers were scored into {2} segments.",
    tr: "{0} itibarıyla {1} müşteri {2} segmente ayrıldı.",
    ru: "По состоянию на {0} оценено клиентов: {1}; сегментов: {2}.",
    zh: "截至 {0}，共对 {1} 名客户评分，分为 {2} 个分群。")
  static let findingLargest = Phrase(
    en: "The largest segment is “{0}” with {1} of customers.",
    tr: "En büyük segment “{0}”: müşterilerin {1} kadarı.",
    ru: "Самый большой сегмент — «{0}»: {1} клиентов.",
    zh: "最大的分群是“{0}”，占客户的 {1}。")
  static let findingMoney = Phrase(
    en: "“{0}”, {1} of customers, holds {2} of the money.",
    tr: "“{0}” müşterilerin {1} kadarıdır ve paranın {2} kadarını tutar.",
    ru: "«{0}» — {1} клиентов и {2} денег.",
    zh: "“{0}”占客户的 {1}，持有资金的 {2}。")
  static let findingConcentration = Phrase(
    en: "The top 20 % of customers hold {0} of the money (Gini {1}).",
    tr: "Müşterilerin ilk %20’si paranın {0} kadarını tutar (Gini {1}).",
    ru: "На верхние 20 % клиентов приходится {0} денег (Джини {1}).",
    zh: "前 20% 的客户持有资金的 {0}（基尼系数 {1}）。")
  static let findingStability = Phrase(
    en: "{0} of customers known in both runs stayed in their segment; {1} are new, {2} left.",
    tr:
      "Her iki çalıştırmada da bulunan müşterilerin {0} kadarı segmentinde kaldı; yeni: {1}, ayrılan: {2}.",
    ru: "{0} клиентов обоих запусков остались в своём сегменте; новых: {1}, ушли: {2}.",
    zh: "两次运行中均存在的客户有 {0} 留在原分群；新增 {1}，离开 {2}。")
  static let alertQuarantine = Phrase(
    en: "{0} rows ({1} of those read) were set aside; the most common reason is “{2}”.",
    tr: "{0} satır (okunanların {1} kadarı) ayrıldı; en sık neden “{2}”.",
    ru: "Отложено строк: {0} ({1} прочитанных); самая частая причина — «{2}».",
    zh: "已隔离 {0} 行（占读取的 {1}）；最常见原因是“{2}”。")
  static let alertStability = Phrase(
    en: "Only {0} of customers stayed in their segment since the last run.",
    tr: "Son çalıştırmadan bu yana müşterilerin yalnızca {0} kadarı segmentinde kaldı.",
    ru: "С прошлого запуска в своём сегменте остались лишь {0} клиентов.",
    zh: "自上次运行以来，仅有 {0} 的客户留在原分群。")
  static let alertMissing = Phrase(
    en: "“{0}” is missing for {1} of customers.",
    tr: "“{0}” müşterilerin {1} kadarında eksik.",
    ru: "«{0}» отсутствует у {1} клиентов.",
    zh: "“{0}”在 {1} 的客户中缺失。")
  static let alertTiny = Phrase(
    en: "“{0}” has only {1} customers ({2}).",
    tr: "“{0}” yalnızca {1} müşteri içeriyor ({2}).",
    ru: "В сегменте «{0}» лишь {1} клиентов ({2}).",
    zh: "“{0}”仅有 {1} 名客户（{2}）。")
  static let alertDominant = Phrase(
    en: "“{0}” holds {1} of all customers: the segmentation says little about them.",
    tr: "“{0}” tüm müşterilerin {1} kadarını içeriyor: bölümleme onlar hakkında az şey söylüyor.",
    ru: "«{0}» содержит {1} всех клиентов: сегментация мало говорит о них.",
    zh: "“{0}”包含全部客户的 {1}：该分群对他们的区分有限。")
  static let segmentsNote = Phrase(
    en:
      "Share of customers and of money, offer, and what sets each segment apart: difference of its mean from the whole base, in standard deviations (sd).",
    tr:
      "Müşteri ve para payı, teklif ve segmenti ayıran özellikler: ortalamasının tüm tabandan farkı, standart sapma (ss) cinsinden.",
    ru:
      "Доля клиентов и денег, предложение и отличия сегмента: разница его среднего и среднего по базе в стандартных отклонениях (ст. откл.).",
    zh: "客户与资金占比、优惠，以及各分群的特征：其均值与整体均值之差（以标准差计）。")
  static let shareOfCustomers = Phrase(
    en: "of customers",
    tr: "müşteri payı",
    ru: "клиентов",
    zh: "客户占比")
  static let shareOfMoney = Phrase(
    en: "of money",
    tr: "para payı",
    ru: "денег",
    zh: "资金占比")
  static let offer = Phrase(
    en: "Offer",
    tr: "Teklif",
    ru: "Предложение",
    zh: "优惠")
  static let sinceLastRun = Phrase(
    en: "since the last run",
    tr: "son çalıştırmadan beri",
    ru: "с прошлого запуска",
    zh: "较上次运行")
  static let newSegment = Phrase(
    en: "new segment",
    tr: "yeni segment",
    ru: "новый сегмент",
    zh: "新分群")
  static let standardDeviations = Phrase(
    en: "{0} sd",
    tr: "{0} ss",
    ru: "{0} ст. откл.",
    zh: "{0} 标准差")
  static let average = Phrase(
    en: "average everywhere",
    tr: "her yönüyle ortalama",
    ru: "всё близко к среднему",
    zh: "各项接近平均")
}
