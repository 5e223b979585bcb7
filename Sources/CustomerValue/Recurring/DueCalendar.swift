import Columnar

/// The days that monthly payments fall on, for every day of the month and every custom of banks for
/// weekends, seen from a day before as-of.
///
/// A payment is told by its slot: its day of the month (a day that a month does not have is its last)
/// and where it moves to from a weekend. Public holidays are not known.
struct DueCalendar: Sendable {
  /// What becomes of a payment that is due on a weekend.
  enum Weekend: Int, CaseIterable {
    /// It is booked as it is.
    case stays
    /// Income: on the Friday before.
    case before
    /// Standing orders and direct debits: on the Monday after.
    case after
  }

  static let daysOfMonth = 31
  static let slots = daysOfMonth * Weekend.allCases.count
  /// Months that are looked back on.
  static let months = 12

  /// Days after the snapshot that are looked ahead on.
  let length: Int
  /// Ages of due days, youngest first: `months` a slot.
  let past: [Int32]
  /// Due days ahead, 0 the one after the snapshot; those of slot s are `starts[s]..<starts[s + 1]`.
  let ahead: [Int32]
  let starts: [Int]

  /// - Parameters:
  ///   - asOf: Days since 1970-01-01.
  ///   - age: Of the snapshot, in days before as-of.
  init(asOf: Int, age: Int, length: Int) {
    self.length = length
    let known = asOf - age
    let month = CivilDate(daysSinceEpoch: known)
    var (past, ahead, starts) = ([Int32](), [Int32](), [0])
    for weekend in Weekend.allCases {
      for day in 1...Self.daysOfMonth {
        func due(_ offset: Int) -> Int {
          let first = month.firstOfMonth(after: offset).daysSinceEpoch
          let next = month.firstOfMonth(after: offset + 1).daysSinceEpoch
          return Self.booked(first + min(day, next - first) - 1, weekend)
        }
        // A weekend moves a day into a neighbouring month at the most.
        var offset = 1
        while due(offset) > known { offset -= 1 }
        let next = offset + 1
        for _ in 0..<Self.months {
          past.append(Int32(asOf - due(offset)))
          offset -= 1
        }
        offset = next
        while due(offset) <= known + length {
          ahead.append(Int32(due(offset) - known - 1))
          offset += 1
        }
        starts.append(ahead.count)
      }
    }
    (self.past, self.ahead, self.starts) = (past, ahead, starts)
  }

  private static func booked(_ day: Int, _ weekend: Weekend) -> Int {
    let past = CivilDate.weekday(ofDay: day) - 4  // 1 on Saturday, 2 on Sunday
    guard past > 0 else { return day }
    switch weekend {
    case .stays: return day
    case .before: return day - past
    case .after: return day + 3 - past
    }
  }
}
