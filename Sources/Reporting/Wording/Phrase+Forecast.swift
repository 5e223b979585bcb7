/// How value was forecast, and how well.
extension Phrase {
  static let forecast = Phrase(
    en: "Value forecast",
    tr: "Değer tahmini",
    ru: "Прогноз ценности",
    zh: "价值预测")
  static let forecastNote = Phrase(
    en:
      "Each method saw only what was known {0} days before the last day and was judged on what came after, on {1} customers. The chosen one was then fitted to everything.",
    tr:
      "Her yöntem yalnızca son günden {0} gün önce bilineni gördü ve sonrasına göre, {1} müşteri üzerinde değerlendirildi. Seçilen yöntem sonra tüm veriye uyarlandı.",
    ru:
      "Каждый метод видел лишь известное за {0} дней до последнего дня и проверен на том, что было потом; клиентов: {1}. Выбранный затем обучен на всех данных.",
    zh: "各方法仅使用截止日前 {0} 天已知的数据，并以其后 {1} 名客户的实际情况评判；选中的方法随后用全部数据重新拟合。")
  static let forecastMethod = Phrase(en: "Method", tr: "Yöntem", ru: "Метод", zh: "方法")
  static let forecastDays = Phrase(
    en: "Mean error, purchase days",
    tr: "Ortalama hata, alışveriş günü",
    ru: "Средняя ошибка, дней покупок",
    zh: "平均误差（购买天数）")
  static let forecastAmounts = Phrase(
    en: "Mean error, amount",
    tr: "Ortalama hata, tutar",
    ru: "Средняя ошибка, сумма",
    zh: "平均误差（金额）")
  static let forecastTotal = Phrase(
    en: "Total off by",
    tr: "Toplam sapma",
    ru: "Отклонение итога",
    zh: "总量偏差")
  static let forecastOrder = Phrase(
    en: "Right order (Gini)",
    tr: "Doğru sıralama (Gini)",
    ru: "Верный порядок (Джини)",
    zh: "排序正确度（基尼）")
  static let forecastTop = Phrase(
    en: "Caught by the top tenth",
    tr: "İlk onda birin payı",
    ru: "Доля верхней десятой",
    zh: "前十分之一占比")
  static let forecastTenth = Phrase(
    en: "Tenth of customers",
    tr: "Müşterilerin onda biri",
    ru: "Десятая часть клиентов",
    zh: "客户十分位")
  static let forecastExpected = Phrase(
    en: "Expected days",
    tr: "Beklenen gün",
    ru: "Ожидалось дней",
    zh: "预期天数")
  static let forecastHappened = Phrase(
    en: "Actual days",
    tr: "Gerçekleşen gün",
    ru: "Было дней",
    zh: "实际天数")
  static let forecastRisk = Phrase(
    en: "Churn risk",
    tr: "Kayıp riski",
    ru: "Риск ухода",
    zh: "流失风险")
  static let forecastGone = Phrase(
    en: "Bought nothing",
    tr: "Hiç almayan",
    ru: "Без покупок",
    zh: "未购买占比")
  static let forecastGroup = Phrase(
    en: "Group", tr: "Grup", ru: "Группа", zh: "群组")
  static let forecastCustomers = Phrase(
    en: "Customers", tr: "Müşteriler", ru: "Клиенты", zh: "客户数")
  static let forecastOfBase = Phrase(
    en: "as the whole base", tr: "tüm müşteriler gibi", ru: "как вся база", zh: "沿用整体模型")
  static let forecastChosen = Phrase(
    en: "chosen", tr: "seçilen", ru: "выбран", zh: "已选")
  static let forecastConcentration = Phrase(
    en: "Gini of modelled value {0}; the top 20 % hold {1} of it.",
    tr: "Modellenen değerin Gini katsayısı {0}; ilk %20 bunun {1} kadarını tutar.",
    ru: "Джини прогнозной ценности {0}; верхние 20 % держат {1}.",
    zh: "预测价值的基尼系数为 {0}；前 20% 占 {1}。")
}
