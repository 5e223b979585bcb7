import Columnar

/// The distinct active days of one customer as the gaps between them, oldest first: a byte a day
/// where gaps are below 256 days. Byte 0 stands for 255 days more. The first day is not in it, it is
/// kept beside.
///
/// A set of bits holds a year in 56 bytes a customer, this in as many as there are active days; and
/// days that come later are appended without reading the others.
enum DayList {
  /// Appends what brings a list `gap` days on.
  @inline(__always)
  static func append(_ gap: Int, to bytes: inout GrowingBlock<UInt8>) {
    var gap = gap
    while gap > 255 {
      bytes.append(0)
      gap -= 255
    }
    bytes.append(UInt8(truncatingIfNeeded: gap))
  }

  /// How many days a list holds: one more than it has gaps.
  @inline(__always)
  static func count(_ gaps: UnsafeBufferPointer<UInt8>) -> Int {
    guard let base = UnsafeRawPointer(gaps.baseAddress) else { return 1 }
    var count = 1
    var offset = 0
    // A byte's top bit tells whether the byte is not 0.
    while offset + 8 <= gaps.count {
      let word = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let low = (word & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x7f7f_7f7f_7f7f_7f7f
      let marks = ((low | word) & 0x8080_8080_8080_8080) >> 7
      count += Int(truncatingIfNeeded: (marks &* 0x0101_0101_0101_0101) >> 56)
      offset += 8
    }
    while offset < gaps.count {
      count += gaps[offset] == 0 ? 0 : 1
      offset += 1
    }
    return count
  }

  /// Calls `body` with the ages of all days, oldest first.
  @inline(__always)
  static func forEachAge(
    _ gaps: UnsafeBufferPointer<UInt8>, oldest: Int, _ body: (Int) -> Void
  ) {
    var age = oldest
    body(age)
    var skipped = 0
    for gap in gaps {
      if gap == 0 {
        skipped += 255
      } else {
        age -= skipped + Int(gap)
        skipped = 0
        body(age)
      }
    }
  }

  /// Writes the list of `ages`, oldest first, each once; returns the oldest.
  static func write(_ ages: [Int], to bytes: inout GrowingBlock<UInt8>) -> Int {
    guard var last = ages.first else { return -1 }
    for age in ages.dropFirst() {
      append(last - age, to: &bytes)
      last = age
    }
    return ages[0]
  }

  /// Puts new ages into a list.
  ///
  /// - Parameters:
  ///   - old: Gaps of the list so far, nil for a new customer.
  ///   - ages: Oldest first, each once, 1 or more.
  static func merge(
    _ old: UnsafeBufferPointer<UInt8>?, oldest: Int, youngest: Int, _ ages: [Int],
    to bytes: inout GrowingBlock<UInt8>
  ) {
    guard let old else {
      _ = write(ages, to: &bytes)
      return
    }
    if ages[0] < youngest {
      // The usual case: all are younger than what is known.
      bytes.append(contentsOf: old)
      var last = youngest
      for age in ages {
        append(last - age, to: &bytes)
        last = age
      }
      return
    }
    var known: [Int] = []
    forEachAge(old, oldest: oldest) { known.append($0) }
    var merged: [Int] = []
    var (i, j) = (0, 0)
    while i < known.count || j < ages.count {
      if j == ages.count || (i < known.count && known[i] >= ages[j]) {
        if j < ages.count, known[i] == ages[j] { j += 1 }
        merged.append(known[i])
        i += 1
      } else {
        merged.append(ages[j])
        j += 1
      }
    }
    _ = write(merged, to: &bytes)
  }
}
