/// The terms of the page, explained in a sentence each.
extension Phrase {
  static let glossaryTerms: [(term: Phrase, meaning: Phrase)] = [
    (
      Phrase(
        en: "Segment", tr: "Segment",
        ru: "Сегмент", zh: "分群"),
      Phrase(
        en:
          "Customers whose features are alike: each belongs to the nearest centre found by K-Means.",
        tr: "Özellikleri benzer müşteriler: her biri K-Means’in bulduğu en yakın merkeze aittir.",
        ru:
          "Клиенты с похожими признаками: каждый относится к ближайшему центру, найденному K-Means.",
        zh: "特征相似的客户：每位客户归入 K-Means 找到的最近中心。")
    ),
    (
      Phrase(
        en: "Offer", tr: "Teklif",
        ru: "Предложение", zh: "优惠"),
      Phrase(
        en: "What the configuration gives every customer of a segment.",
        tr: "Yapılandırmanın bir segmentin her müşterisine verdiği teklif.",
        ru: "То, что конфигурация назначает каждому клиенту сегмента.",
        zh: "配置分配给某分群每位客户的内容。")
    ),
    (
      Phrase(
        en: "Frequency", tr: "Sıklık",
        ru: "Частота", zh: "频率"),
      Phrase(
        en: "Number of transactions in the window up to the as-of date.",
        tr: "Tarihe kadarki dönemde işlem sayısı.",
        ru: "Число операций в окне до отчётной даты.",
        zh: "截至日期前窗口内的交易次数。")
    ),
    (
      Phrase(
        en: "Average amount", tr: "Ortalama tutar",
        ru: "Средняя сумма", zh: "平均金额"),
      Phrase(
        en: "Mean amount of a customer’s transactions.",
        tr: "Müşterinin işlemlerinin ortalama tutarı.",
        ru: "Средняя сумма операций клиента.",
        zh: "客户交易的平均金额。")
    ),
    (
      Phrase(
        en: "Net amount", tr: "Net tutar",
        ru: "Чистая сумма", zh: "净额"),
      Phrase(
        en: "Sum of a customer’s transactions; refunds count as negative.",
        tr: "Müşterinin işlemlerinin toplamı; iadeler eksi sayılır.",
        ru: "Сумма операций клиента; возвраты учитываются со знаком минус.",
        zh: "客户交易总和；退款按负值计。")
    ),
    (
      Phrase(
        en: "Tier", tr: "Kademe",
        ru: "Уровень", zh: "等级"),
      Phrase(
        en: "High, mid or low customer value.",
        tr: "Yüksek, orta veya düşük müşteri değeri.",
        ru: "Высокая, средняя или низкая ценность клиента.",
        zh: "高、中或低客户价值。")
    ),
    (
      Phrase(
        en: "Standard deviation", tr: "Standart sapma",
        ru: "Стандартное отклонение", zh: "标准差"),
      Phrase(
        en:
          "The usual distance from the mean; a segment at +1 lies one such distance above the base.",
        tr: "Ortalamadan olağan uzaklık; +1’deki segment tabandan bir bu kadar yukarıdadır.",
        ru:
          "Типичное расстояние от среднего; сегмент с +1 лежит на одно такое расстояние выше базы.",
        zh: "与均值的典型距离；+1 表示高于整体一个标准差。")
    ),
    (
      Phrase(
        en: "Quartiles, median", tr: "Çeyrekler, medyan",
        ru: "Квартили, медиана", zh: "四分位数、中位数"),
      Phrase(
        en:
          "A quarter of customers lie below the lower quartile, half below the median, three quarters below the upper.",
        tr:
          "Müşterilerin dörtte biri alt çeyreğin, yarısı medyanın, dörtte üçü üst çeyreğin altındadır.",
        ru:
          "Четверть клиентов ниже нижнего квартиля, половина ниже медианы, три четверти ниже верхнего.",
        zh: "四分之一的客户低于下四分位数，一半低于中位数，四分之三低于上四分位数。")
    ),
    (
      Phrase(
        en: "Gini coefficient", tr: "Gini katsayısı",
        ru: "Коэффициент Джини", zh: "基尼系数"),
      Phrase(
        en: "0 when all customers hold the same money, towards 1 when few hold all of it.",
        tr: "Herkes aynı parayı tutuyorsa 0, hepsi az kişideyse 1’e yakın.",
        ru: "0, когда у всех поровну; ближе к 1, когда всё у немногих.",
        zh: "人人相同为 0；集中于少数人则趋近 1。")
    ),
    (
      Phrase(
        en: "RFM", tr: "RFM",
        ru: "RFM", zh: "RFM"),
      Phrase(
        en: "Recency, frequency, monetary: scores from 1 to 5, fifths of the base.",
        tr: "Yakınlık, sıklık, parasal değer: 1’den 5’e puanlar, tabanın beşte birleri.",
        ru: "Давность, частота, деньги: баллы от 1 до 5 по пятым долям базы.",
        zh: "最近消费、频率、金额：按整体五等分的 1 至 5 分。")
    ),
    (
      Phrase(
        en: "Adjusted Rand index", tr: "Düzeltilmiş Rand indeksi",
        ru: "Скорректированный индекс Рэнда", zh: "调整兰德指数"),
      Phrase(
        en: "Agreement of two groupings: 1 when equal, about 0 when no better than chance.",
        tr: "İki gruplamanın uyumu: eşitse 1, şans kadarsa 0 dolayında.",
        ru: "Согласие двух разбиений: 1 — совпадают, около 0 — не лучше случайного.",
        zh: "两种分组的一致性：相同为 1，与随机相当约为 0。")
    ),
    (
      Phrase(
        en: "Silhouette", tr: "Silhouette",
        ru: "Силуэт", zh: "轮廓系数"),
      Phrase(
        en: "How much nearer customers are to their own segment than to the next one, −1 to 1.",
        tr: "Müşterilerin kendi segmentine bir sonrakinden ne kadar yakın olduğu, −1 ile 1 arası.",
        ru: "Насколько клиенты ближе к своему сегменту, чем к соседнему, от −1 до 1.",
        zh: "客户与自身分群相对于邻近分群的接近程度，−1 至 1。")
    ),
    (
      Phrase(
        en: "Inertia", tr: "Atalet",
        ru: "Инерция", zh: "簇内平方和"),
      Phrase(
        en: "Sum of squared distances to the nearest centre; falls with every added segment.",
        tr: "En yakın merkeze uzaklıkların kareleri toplamı; her ek segmentle düşer.",
        ru: "Сумма квадратов расстояний до ближайшего центра; падает с каждым новым сегментом.",
        zh: "到最近中心的距离平方和；随分群增加而下降。")
    ),
    (
      Phrase(
        en: "Set aside", tr: "Ayrılan",
        ru: "Отложено", zh: "隔离"),
      Phrase(
        en:
          "Rows with a fault (missing id, future date, unreadable amount), kept in quarantine.parquet.",
        tr:
          "Kusurlu satırlar (eksik kimlik, gelecek tarih, okunamayan tutar), quarantine.parquet’te saklanır.",
        ru:
          "Строки с ошибкой (нет id, дата в будущем, нечитаемая сумма), хранятся в quarantine.parquet.",
        zh: "有问题的行（缺失编号、未来日期、无法读取的金额），保存在 quarantine.parquet。")
    ),
  ]
}
