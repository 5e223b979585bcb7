/// Sections with pictures and tables.
extension Phrase {
  // Scatter
  static let scatter = Phrase(
    en: "{0} × {1}",
    tr: "{0} × {1}",
    ru: "{0} × {1}",
    zh: "{0} × {1}")
  static let scatterNote = Phrase(
    en:
      "Every customer counts in the density; points are a sample of {0} customers, at least 200 per segment where it has them, the same ones every month.",
    tr:
      "Yoğunlukta her müşteri sayılır; noktalar {0} müşterilik bir örneklemdir: segment başına en az 200 (varsa), her ay aynı müşteriler.",
    ru:
      "В плотности учтён каждый клиент; точки — выборка, клиентов: {0}, не менее 200 на сегмент, если они есть, каждый месяц одни и те же.",
    zh: "密度图涵盖全部客户；散点为 {0} 名客户的样本，每个分群至少 200 名（如有），每月为同一批客户。")
  static let scatterUnplaced = Phrase(
    en: "Not drawn, a value is missing: {0}.",
    tr: "Çizilmeyen, değeri eksik: {0}.",
    ru: "Не показаны, нет значения: {0}.",
    zh: "因缺失值未绘制：{0}。")
  static let scatterSuppressed = Phrase(
    en: "Cells with fewer than {0} customers are left out; points dropped: {1}.",
    tr: "{0} müşteriden az olan hücreler gösterilmez; çıkarılan nokta: {1}.",
    ru: "Ячейки, где меньше {0} клиентов, скрыты; убрано точек: {1}.",
    zh: "客户少于 {0} 的单元格已隐藏；移除散点：{1}。")
  static let idsRaw = Phrase(
    en: "Customer ids are shown as they are in the data.",
    tr: "Müşteri kimlikleri veride olduğu gibi gösterilir.",
    ru: "Идентификаторы клиентов показаны как в данных.",
    zh: "客户编号按原始数据显示。")
  static let idsPseudonym = Phrase(
    en: "Customer ids are pseudonyms (HMAC-SHA-256).",
    tr: "Müşteri kimlikleri takma addır (HMAC-SHA-256).",
    ru: "Идентификаторы клиентов — псевдонимы (HMAC-SHA-256).",
    zh: "客户编号为假名（HMAC-SHA-256）。")
  static let idsNone = Phrase(
    en: "Customer ids are not part of this page.",
    tr: "Müşteri kimlikleri bu sayfada yer almaz.",
    ru: "Идентификаторы клиентов не включены.",
    zh: "本页不含客户编号。")
  static let scatterLabel = Phrase(
    en:
      "Scatter of customers. Arrow keys move from point to point, plus and minus zoom, 0 resets, Escape clears.",
    tr:
      "Müşterilerin saçılım grafiği. Ok tuşları noktadan noktaya gider, artı ve eksi yakınlaştırır, 0 sıfırlar, Escape temizler.",
    ru:
      "Диаграмма рассеяния клиентов. Стрелки — от точки к точке, плюс и минус — масштаб, 0 — сброс, Escape — очистить.",
    zh: "客户散点图。方向键在点之间移动，加减号缩放，0 重置，Escape 清除。")
  static let scatterNeedsScript = Phrase(
    en: "The interactive picture needs JavaScript; the table below holds the same groups.",
    tr: "Etkileşimli resim JavaScript gerektirir; aşağıdaki tablo aynı grupları içerir.",
    ru: "Интерактивному рисунку нужен JavaScript; таблица ниже содержит те же группы.",
    zh: "交互图需要 JavaScript；下表包含相同的分组。")
  static let layerBoth = Phrase(
    en: "Points and density",
    tr: "Noktalar ve yoğunluk",
    ru: "Точки и плотность",
    zh: "散点与密度")
  static let layerPoints = Phrase(
    en: "Points",
    tr: "Noktalar",
    ru: "Точки",
    zh: "散点")
  static let layerDensity = Phrase(
    en: "Density (every customer)",
    tr: "Yoğunluk (her müşteri)",
    ru: "Плотность (все клиенты)",
    zh: "密度（全部客户）")
  static let logarithmic = Phrase(
    en: "log",
    tr: "log",
    ru: "лог.",
    zh: "对数")
  static let zoomIn = Phrase(
    en: "Zoom in",
    tr: "Yakınlaştır",
    ru: "Приблизить",
    zh: "放大")
  static let zoomOut = Phrase(
    en: "Zoom out",
    tr: "Uzaklaştır",
    ru: "Отдалить",
    zh: "缩小")
  static let reset = Phrase(
    en: "Reset",
    tr: "Sıfırla",
    ru: "Сброс",
    zh: "重置")
  static let select = Phrase(
    en: "Select",
    tr: "Seç",
    ru: "Выделить",
    zh: "选择")
  static let selectHelp = Phrase(
    en: "Draw around customers",
    tr: "Müşterilerin çevresini çizin",
    ru: "Обведите клиентов",
    zh: "圈选客户")
  static let selected = Phrase(
    en: "Selected",
    tr: "Seçilen",
    ru: "Выбрано",
    zh: "已选")
  static let downloadCSV = Phrase(
    en: "CSV of selected",
    tr: "Seçilenler CSV",
    ru: "CSV выбранных",
    zh: "导出所选 CSV")
  static let downloadPNG = Phrase(
    en: "PNG",
    tr: "PNG",
    ru: "PNG",
    zh: "PNG")
  static let searchID = Phrase(
    en: "Find customer id",
    tr: "Müşteri kimliği ara",
    ru: "Найти клиента по id",
    zh: "查找客户编号")
  static let notInSample = Phrase(
    en: "Not in the sample",
    tr: "Örneklemde yok",
    ru: "Нет в выборке",
    zh: "不在样本中")
  static let hideShow = Phrase(
    en: "Show or hide",
    tr: "Göster veya gizle",
    ru: "Показать или скрыть",
    zh: "显示或隐藏")
  static let customerID = Phrase(
    en: "Customer",
    tr: "Müşteri",
    ru: "Клиент",
    zh: "客户")
  static let age = Phrase(
    en: "Age",
    tr: "Yaş",
    ru: "Возраст",
    zh: "年龄")
  static let segment = Phrase(
    en: "Segment",
    tr: "Segment",
    ru: "Сегмент",
    zh: "分群")
  static let tier = Phrase(
    en: "Tier",
    tr: "Kademe",
    ru: "Уровень",
    zh: "等级")
  static let tableFallback = Phrase(
    en: "As a table",
    tr: "Tablo olarak",
    ru: "В виде таблицы",
    zh: "以表格显示")
  static let sampled = Phrase(
    en: "Points shown",
    tr: "Gösterilen nokta",
    ru: "Показано точек",
    zh: "显示的点")
  static let median = Phrase(
    en: "Median",
    tr: "Medyan",
    ru: "Медиана",
    zh: "中位数")
  static let quartiles = Phrase(
    en: "Middle half",
    tr: "Orta yarı",
    ru: "Средняя половина",
    zh: "中间一半")
  static let mean = Phrase(
    en: "Mean",
    tr: "Ortalama",
    ru: "Среднее",
    zh: "均值")
  // Profile
  static let profile = Phrase(
    en: "Profile",
    tr: "Profil",
    ru: "Профиль",
    zh: "画像")
  static let profileNote = Phrase(
    en:
      "Difference of each segment’s mean from the base, in standard deviations. Click a heading to sort.",
    tr:
      "Her segment ortalamasının tabandan farkı, standart sapma cinsinden. Sıralamak için başlığa tıklayın.",
    ru:
      "Отличие среднего сегмента от базы в стандартных отклонениях. Нажмите на заголовок, чтобы отсортировать.",
    zh: "各分群均值与整体之差，以标准差计。点击表头排序。")
  static let base = Phrase(
    en: "Base mean",
    tr: "Taban ortalaması",
    ru: "Среднее базы",
    zh: "整体均值")
  static let size = Phrase(
    en: "Size",
    tr: "Büyüklük",
    ru: "Размер",
    zh: "规模")
  static let snake = Phrase(
    en: "Profiles side by side",
    tr: "Profiller yan yana",
    ru: "Профили рядом",
    zh: "画像对比")
  static let snakeNote = Phrase(
    en: "The same differences as lines: features are rows, 0 is the base.",
    tr: "Aynı farklar çizgi olarak: özellikler satırdır, 0 tabandır.",
    ru: "Те же отличия линиями: признаки — строки, 0 — база.",
    zh: "同样的差异以折线表示：特征为行，0 为整体。")
  static let strips = Phrase(
    en: "Spread of each feature",
    tr: "Her özelliğin dağılımı",
    ru: "Разброс признаков",
    zh: "特征分布")
  static let stripsNote = Phrase(
    en:
      "Box: the middle half of the segment (quartiles); stroke: median; dot: mean; grey band: the whole base.",
    tr:
      "Kutu: segmentin orta yarısı (çeyrekler); çizgi: medyan; nokta: ortalama; gri bant: tüm taban.",
    ru:
      "Прямоугольник — средняя половина сегмента (квартили), черта — медиана, точка — среднее, серая полоса — вся база.",
    zh: "方框：分群的中间一半（四分位）；竖线：中位数；圆点：均值；灰带：整体。")
  // Money
  static let concentration = Phrase(
    en: "Concentration of money",
    tr: "Paranın yoğunlaşması",
    ru: "Концентрация денег",
    zh: "资金集中度")
  static let concentrationNote = Phrase(
    en: "Customers from the least to the most money, and the share they hold together.",
    tr: "Müşteriler en az paradan en çoğa ve birlikte tuttukları pay.",
    ru: "Клиенты от наименьших денег к наибольшим и их общая доля.",
    zh: "按资金从少到多排列客户及其累计占比。")
  static let concentrationZero = Phrase(
    en: "Customers with net money of zero or less, counted as holding nothing: {0}.",
    tr: "Net parası sıfır veya altında olan ve hiçbir şey tutmadığı sayılan müşteri: {0}.",
    ru: "Клиенты с чистой суммой ноль и меньше, доля считается нулевой: {0}.",
    zh: "净额为零或以下、按持有为零计的客户：{0}。")
  static let gini = Phrase(
    en: "Gini coefficient",
    tr: "Gini katsayısı",
    ru: "Коэффициент Джини",
    zh: "基尼系数")
  static let topHold = Phrase(
    en: "The top {0} hold",
    tr: "İlk {0} şunu tutar:",
    ru: "Верхние {0} держат",
    zh: "前 {0} 持有")
  static let shareOfCustomersAxis = Phrase(
    en: "Share of customers",
    tr: "Müşteri payı",
    ru: "Доля клиентов",
    zh: "客户占比")
  static let shareOfMoneyAxis = Phrase(
    en: "Share of money",
    tr: "Para payı",
    ru: "Доля денег",
    zh: "资金占比")
  // RFM
  static let rfm = Phrase(
    en: "Recency and frequency",
    tr: "Yakınlık ve sıklık",
    ru: "Давность и частота",
    zh: "最近消费与频率")
  static let rfmNote = Phrase(
    en:
      "Customers by recency score (rows, 5 = most recent) and frequency score (columns, 5 = most often); darker is more.",
    tr:
      "Yakınlık puanına (satır, 5 = en yakın) ve sıklık puanına (sütun, 5 = en sık) göre müşteriler; koyu daha çok.",
    ru:
      "Клиенты по баллу давности (строки, 5 — самые недавние) и частоты (столбцы, 5 — самые частые); темнее — больше.",
    zh: "按最近消费得分（行，5 为最近）与频率得分（列，5 为最频繁）的客户数；颜色越深越多。")
  static let rfmMoney = Phrase(
    en: "mean {0}",
    tr: "ortalama {0}",
    ru: "среднее {0}",
    zh: "均值 {0}")
  static let recencyScore = Phrase(
    en: "Recency",
    tr: "Yakınlık",
    ru: "Давность",
    zh: "最近")
  static let frequencyScore = Phrase(
    en: "Frequency",
    tr: "Sıklık",
    ru: "Частота",
    zh: "频率")
  // Migration
  static let migration = Phrase(
    en: "Where customers moved",
    tr: "Müşteriler nereye gitti",
    ru: "Куда перешли клиенты",
    zh: "客户迁移")
  static let migrationNote = Phrase(
    en: "From the segments of the previous run (left, rows) to those of this run (right, columns).",
    tr:
      "Önceki çalıştırmanın segmentlerinden (sol, satırlar) bu çalıştırmanınkilere (sağ, sütunlar).",
    ru: "Из сегментов прошлого запуска (слева, строки) в сегменты этого (справа, столбцы).",
    zh: "从上次运行的分群（左侧，行）到本次运行的分群（右侧，列）。")
  static let newCustomers = Phrase(
    en: "new",
    tr: "yeni",
    ru: "новые",
    zh: "新增")
  static let leftCustomers = Phrase(
    en: "left",
    tr: "ayrılan",
    ru: "ушли",
    zh: "离开")
  static let total = Phrase(
    en: "Total",
    tr: "Toplam",
    ru: "Всего",
    zh: "合计")
  static let from = Phrase(
    en: "From",
    tr: "Nereden",
    ru: "Откуда",
    zh: "来自")
  static let to = Phrase(
    en: "To",
    tr: "Nereye",
    ru: "Куда",
    zh: "去向")
  static let stability = Phrase(
    en: "Kept their segment",
    tr: "Segmentinde kalan",
    ru: "Остались в сегменте",
    zh: "留在原分群")
  static let adjustedRandIndex = Phrase(
    en: "Adjusted Rand index",
    tr: "Düzeltilmiş Rand indeksi",
    ru: "Скорректированный индекс Рэнда",
    zh: "调整兰德指数")
  static let mutualInformation = Phrase(
    en: "Normalised mutual information",
    tr: "Normalleştirilmiş karşılıklı bilgi",
    ru: "Нормированная взаимная информация",
    zh: "归一化互信息")
  static let largestMoves = Phrase(
    en: "Largest moves",
    tr: "En büyük geçişler",
    ru: "Крупнейшие переходы",
    zh: "最大流向")
  // Choice of k
  static let selection = Phrase(
    en: "Choice of the number of segments",
    tr: "Segment sayısının seçimi",
    ru: "Выбор числа сегментов",
    zh: "分群数量选择")
  static let selectionNote = Phrase(
    en: "Every number of segments that was tried; the chosen one is marked.",
    tr: "Denenen her segment sayısı; seçilen işaretlidir.",
    ru: "Все проверенные числа сегментов; выбранное отмечено.",
    zh: "尝试过的所有分群数量；所选已标记。")
  static let inertia = Phrase(
    en: "Inertia",
    tr: "Atalet",
    ru: "Инерция",
    zh: "簇内平方和")
  static let silhouette = Phrase(
    en: "Silhouette",
    tr: "Silhouette",
    ru: "Силуэт",
    zh: "轮廓系数")
  static let calinskiHarabasz = Phrase(
    en: "Calinski-Harabasz",
    tr: "Calinski-Harabasz",
    ru: "Калински — Харабаш",
    zh: "Calinski-Harabasz")
  static let daviesBouldin = Phrase(
    en: "Davies-Bouldin",
    tr: "Davies-Bouldin",
    ru: "Дэвис — Болдин",
    zh: "Davies-Bouldin")
  static let resampleStability = Phrase(
    en: "Stability",
    tr: "Kararlılık",
    ru: "Устойчивость",
    zh: "稳定性")
  static let seconds = Phrase(
    en: "Seconds",
    tr: "Saniye",
    ru: "Секунды",
    zh: "秒")
  static let higherBetter = Phrase(
    en: "higher is better",
    tr: "yüksek daha iyi",
    ru: "выше — лучше",
    zh: "越高越好")
  static let lowerBetter = Phrase(
    en: "lower is better",
    tr: "düşük daha iyi",
    ru: "ниже — лучше",
    zh: "越低越好")
  static let lookForKnee = Phrase(
    en: "look for the knee",
    tr: "dirseğe bakın",
    ru: "ищите излом",
    zh: "寻找拐点")
  // Quality
  static let quality = Phrase(
    en: "Data quality",
    tr: "Veri kalitesi",
    ru: "Качество данных",
    zh: "数据质量")
  static let qualityNote = Phrase(
    en: "Every row that was read is scored, set aside or left out.",
    tr: "Okunan her satır puanlandı, ayrıldı veya dışarıda bırakıldı.",
    ru: "Каждая прочитанная строка оценена, отложена или исключена.",
    zh: "读取的每一行都已评分、隔离或排除。")
  static let rowsRead = Phrase(
    en: "Rows read",
    tr: "Okunan satır",
    ru: "Прочитано строк",
    zh: "读取行数")
  static let rowsScored = Phrase(
    en: "Rows scored",
    tr: "Puanlanan satır",
    ru: "Оценено строк",
    zh: "评分行数")
  static let rowsQuarantined = Phrase(
    en: "Set aside",
    tr: "Ayrılan",
    ru: "Отложено",
    zh: "隔离")
  static let rowsExcluded = Phrase(
    en: "Left out",
    tr: "Dışarıda bırakılan",
    ru: "Исключено",
    zh: "排除")
  static let reason = Phrase(
    en: "Reason",
    tr: "Neden",
    ru: "Причина",
    zh: "原因")
  static let rows = Phrase(
    en: "Rows",
    tr: "Satır",
    ru: "Строки",
    zh: "行数")
  static let share = Phrase(
    en: "Share",
    tr: "Pay",
    ru: "Доля",
    zh: "占比")
  static let missingValues = Phrase(
    en: "Missing values",
    tr: "Eksik değerler",
    ru: "Пропуски",
    zh: "缺失值")
  // Reproduce
  static let reproduce = Phrase(
    en: "Reproduce",
    tr: "Yeniden üretme",
    ru: "Воспроизведение",
    zh: "复现")
  static let reproduceNote = Phrase(
    en: "The same inputs, command and seed give the same bytes.",
    tr: "Aynı girdiler, komut ve tohum aynı baytları verir.",
    ru: "Те же входные файлы, команда и зерно дают те же байты.",
    zh: "相同的输入、命令和种子产生相同的字节。")
  static let command = Phrase(
    en: "Command",
    tr: "Komut",
    ru: "Команда",
    zh: "命令")
  static let seed = Phrase(
    en: "Seed",
    tr: "Tohum",
    ru: "Зерно",
    zh: "种子")
  static let inputs = Phrase(
    en: "Inputs",
    tr: "Girdiler",
    ru: "Входные файлы",
    zh: "输入")
  static let versions = Phrase(
    en: "Versions",
    tr: "Sürümler",
    ru: "Версии",
    zh: "版本")
  static let glossary = Phrase(
    en: "Glossary",
    tr: "Sözlük",
    ru: "Словарь",
    zh: "术语表")
}
