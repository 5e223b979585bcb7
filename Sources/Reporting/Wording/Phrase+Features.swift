/// What readers call the features every run computes.
extension Phrase {
  static let recencyDays = Phrase(
    en: "Days since last",
    tr: "Son işlemden beri gün",
    ru: "Дней с последней операции",
    zh: "距上次天数")
  static let frequency = Phrase(
    en: "Frequency",
    tr: "Sıklık",
    ru: "Частота",
    zh: "频率")
  static let monetary = Phrase(
    en: "Net amount",
    tr: "Net tutar",
    ru: "Чистая сумма",
    zh: "净额")
  static let averageAmount = Phrase(
    en: "Average amount",
    tr: "Ortalama tutar",
    ru: "Средняя сумма",
    zh: "平均金额")
  static let tenureDays = Phrase(
    en: "Days since first",
    tr: "İlk işlemden beri gün",
    ru: "Дней с первой операции",
    zh: "距首次天数")
  static let activeDays = Phrase(
    en: "Active days",
    tr: "Etkin gün",
    ru: "Активные дни",
    zh: "活跃天数")
  static let refundCount = Phrase(
    en: "Refunds",
    tr: "İade",
    ru: "Возвраты",
    zh: "退款次数")
  static let amount30 = Phrase(
    en: "Amount, 30 days",
    tr: "Tutar, 30 gün",
    ru: "Сумма, 30 дней",
    zh: "30 天金额")
  static let count30 = Phrase(
    en: "Count, 30 days",
    tr: "Adet, 30 gün",
    ru: "Число, 30 дней",
    zh: "30 天次数")
  static let amount90 = Phrase(
    en: "Amount, 90 days",
    tr: "Tutar, 90 gün",
    ru: "Сумма, 90 дней",
    zh: "90 天金额")
  static let count90 = Phrase(
    en: "Count, 90 days",
    tr: "Adet, 90 gün",
    ru: "Число, 90 дней",
    zh: "90 天次数")
  static let amount365 = Phrase(
    en: "Amount, 365 days",
    tr: "Tutar, 365 gün",
    ru: "Сумма, 365 дней",
    zh: "365 天金额")
  static let count365 = Phrase(
    en: "Count, 365 days",
    tr: "Adet, 365 gün",
    ru: "Число, 365 дней",
    zh: "365 天次数")
  static let trend = Phrase(
    en: "Trend",
    tr: "Eğilim",
    ru: "Тренд",
    zh: "趋势")
  static let meanGapDays = Phrase(
    en: "Mean gap, days",
    tr: "Ortalama ara, gün",
    ru: "Средний интервал, дней",
    zh: "平均间隔（天）")
  static let gapRegularity = Phrase(
    en: "Regularity",
    tr: "Düzenlilik",
    ru: "Регулярность",
    zh: "规律性")
  static let shareOf = Phrase(
    en: "Share of {0}",
    tr: "{0} payı",
    ru: "Доля: {0}",
    zh: "{0} 占比")

  /// By column name.
  static let features: [String: Phrase] = [
    "recency_days": recencyDays, "frequency": frequency, "monetary": monetary,
    "average_amount": averageAmount, "tenure_days": tenureDays, "active_days": activeDays,
    "refund_count": refundCount, "amount_30d": amount30, "count_30d": count30,
    "amount_90d": amount90, "count_90d": count90, "amount_365d": amount365,
    "count_365d": count365, "trend": trend, "mean_gap_days": meanGapDays,
    "gap_regularity": gapRegularity, "TransactionFrequency": frequency,
    "AverageTransactionAmount": averageAmount,
  ]

  /// Columns in the ledger's currency.
  static let moneyFeatures: Set<String> = [
    "monetary", "average_amount", "amount_30d", "amount_90d", "amount_365d",
    "AverageTransactionAmount",
  ]
}
