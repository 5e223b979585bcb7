import CustomerValue

/// Words for standing out in a feature, by feature, direction and language.
enum SegmentVocabulary {
  /// What one or several features tell about a customer.
  struct Concept {
    let name: String
    /// Concepts of one family say nearly the same: a name takes one of them first.
    let family: String
    let isPrimary: Bool
    let place: Int
    /// Whether a high value has the concept's low words: a long gap is a low frequency.
    var isReversed = false
    /// In the order of `Language.allCases`; nil where a direction has no sensible word.
    let high: [String]?
    let low: [String]?

    func words(isHigh: Bool, _ language: Language) -> String? {
      (isHigh != isReversed ? high : low)?[Language.allCases.firstIndex(of: language)!]
    }
  }

  static func typical(_ language: Language) -> String {
    switch language {
    case .english: "typical"
    case .turkish: "tipik"
    case .russian: "типичные"
    case .chinese: "典型客户"
    }
  }

  /// - Returns: Nil for a feature that names do not use: age is shown in profiles, but customers are
  ///   not called after it.
  static func concept(of feature: String) -> Concept? {
    let key = feature.lowercased()
    if let known = concepts[key] { return known }
    if key == "age" { return nil }
    if key.hasPrefix("share_") { return channel(String(key.dropFirst("share_".count))) }
    return other(feature)
  }

  private static let frequency = Concept(
    name: "frequency", family: "activity", isPrimary: true, place: 0,
    high: ["frequent", "sık işlem yapan", "частые операции", "高频"],
    low: ["infrequent", "seyrek işlem yapan", "редкие операции", "低频"])

  private static let recency = Concept(
    name: "recency", family: "activity", isPrimary: true, place: 1,
    high: ["dormant", "uyuyan", "спящие", "休眠"],
    low: ["recently active", "yakın zamanda aktif", "недавно активные", "近期活跃"])

  private static let amounts = Concept(
    name: "amounts", family: "amounts", isPrimary: true, place: 2,
    high: ["high amounts", "yüksek tutarlı", "крупные суммы", "大额"],
    low: ["low amounts", "düşük tutarlı", "мелкие суммы", "小额"])

  private static let turnover = Concept(
    name: "turnover", family: "turnover", isPrimary: false, place: 3,
    high: ["high turnover", "yüksek cirolu", "большой оборот", "高交易额"],
    low: ["low turnover", "düşük cirolu", "малый оборот", "低交易额"])

  private static let trend = Concept(
    name: "trend", family: "trend", isPrimary: false, place: 4,
    high: ["growing", "büyüyen", "растущие", "增长中"],
    low: ["declining", "azalan", "снижающиеся", "下降中"])

  private static let tenure = Concept(
    name: "tenure", family: "tenure", isPrimary: false, place: 5,
    high: ["long-standing", "eski müşteri", "давние клиенты", "老客户"],
    low: ["newly joined", "yeni müşteri", "новые клиенты", "新客户"])

  private static let regularity = Concept(
    name: "regularity", family: "regularity", isPrimary: false, place: 6,
    high: ["regular", "düzenli", "регулярные", "规律"],
    low: ["irregular", "düzensiz", "нерегулярные", "不规律"])

  private static let refunds = Concept(
    name: "refunds", family: "refunds", isPrimary: false, place: 7,
    high: ["many refunds", "çok iadeli", "много возвратов", "退款多"],
    low: ["few refunds", "az iadeli", "мало возвратов", "退款少"])

  private static var reversedFrequency: Concept {
    var gap = frequency
    gap.isReversed = true
    return gap
  }

  /// By feature in lower case.
  private static let concepts: [String: Concept] = [
    "frequency": frequency, "transactionfrequency": frequency, "active_days": frequency,
    "count_30d": frequency, "count_90d": frequency, "count_365d": frequency,
    "mean_gap_days": reversedFrequency,
    "recency_days": recency,
    "average_amount": amounts, "averagetransactionamount": amounts,
    "monetary": turnover, "amount_30d": turnover, "amount_90d": turnover, "amount_365d": turnover,
    "trend": trend, "tenure_days": tenure, "gap_regularity": regularity, "refund_count": refunds,
  ]

  private static let channelNames: [String: [String]] = [
    "atm": ["ATM", "ATM", "банкомат", "ATM"],
    "card": ["card", "kart", "карта", "刷卡"],
    "online": ["online", "internet", "онлайн", "网银"],
    "mobile": ["mobile", "mobil", "мобильный банк", "手机银行"],
    "branch": ["branch", "şube", "отделение", "网点"],
    "transfer": ["transfer", "havale", "перевод", "转账"],
  ]

  private static func channel(_ channel: String) -> Concept {
    let names = channelNames[channel] ?? [channel, channel, channel, channel]
    return Concept(
      name: "share_" + channel, family: "channel", isPrimary: false, place: 8,
      high: [
        "more \(names[0])", "\(names[1]) ağırlıklı", "чаще \(names[2])", "偏好\(names[3])",
      ],
      low: [
        "less \(names[0])", "az \(names[1])", "реже \(names[2])", "少用\(names[3])",
      ])
  }

  /// A column of the user's own: its name with a direction.
  private static func other(_ feature: String) -> Concept {
    Concept(
      name: "column " + feature, family: "column " + feature, isPrimary: false, place: 9,
      high: [
        "high \(feature)", "yüksek \(feature)", "\(feature) выше среднего", "\(feature)偏高",
      ],
      low: [
        "low \(feature)", "düşük \(feature)", "\(feature) ниже среднего", "\(feature)偏低",
      ])
  }
}
