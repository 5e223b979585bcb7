/// A customer on the way to its place: `order` sorts like the id (for texts, up to eight bytes).
struct CustomerReference: BitwiseCopyable {
  var order: UInt64
  var partition: UInt32
  var state: UInt32
}

/// Sorts references by numbers that differ in few low bits: eleven bits a pass, from the lowest.
struct ReferenceSort {
  private static let digitBits = 11
  private static let digits = 1 << digitBits
  private var counts = [Int](repeating: 0, count: digits)
  private var other: [CustomerReference] = []

  /// - Parameters:
  ///   - from: The least `order` possible in `run`.
  ///   - bits: `order` − `from` lies below 2^bits.
  /// - Complexity: O(run.count · bits / 11).
  mutating func sort(
    _ run: UnsafeMutableBufferPointer<CustomerReference>, from low: UInt64, bits: Int
  ) {
    // Short runs spread over many bits: comparing costs less than emptying the counts.
    let passes = (bits + Self.digitBits - 1) / Self.digitBits
    guard run.count > 1, passes > 0 else { return }
    if run.count < 64 * passes {
      var run = run
      run.sort { $0.order < $1.order }
      return
    }
    if other.count < run.count {
      other = Array(
        repeating: CustomerReference(order: 0, partition: 0, state: 0), count: run.count)
    }
    var memory = other
    other = []
    defer { other = memory }
    memory.withUnsafeMutableBufferPointer { other in
      var (source, target) = (run, UnsafeMutableBufferPointer(rebasing: other[..<run.count]))
      for pass in 0..<passes {
        distribute(source, into: target, low, shift: UInt64(pass * Self.digitBits))
        swap(&source, &target)
      }
      if passes % 2 == 1 { _ = run.update(fromContentsOf: source) }
    }
  }

  /// One stable pass by the eleven bits from `shift` on.
  private mutating func distribute(
    _ source: UnsafeMutableBufferPointer<CustomerReference>,
    into target: UnsafeMutableBufferPointer<CustomerReference>, _ low: UInt64, shift: UInt64
  ) {
    let mask = UInt64(Self.digits - 1)
    counts.withUnsafeMutableBufferPointer { counts in
      counts.update(repeating: 0)
      for reference in source { counts[Int((reference.order &- low) >> shift & mask)] += 1 }
      var start = 0
      for digit in counts.indices {
        let count = counts[digit]
        counts[digit] = start
        start += count
      }
      for reference in source {
        let digit = Int((reference.order &- low) >> shift & mask)
        target[counts[digit]] = reference
        counts[digit] += 1
      }
    }
  }
}
