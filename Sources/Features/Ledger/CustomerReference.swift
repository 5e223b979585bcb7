/// A customer on the way to its place: `order` sorts like the id (for texts, up to eight bytes).
struct CustomerReference: BitwiseCopyable {
  var order: UInt64
  var partition: UInt32
  var state: UInt32
}

/// Sorts references; one thread's memory for it.
final class ReferenceSort {
  private var memory = UnsafeMutableBufferPointer<CustomerReference>(start: nil, count: 0)
  private var counts = [Int](repeating: 0, count: 256)

  deinit { memory.deallocate() }

  /// Stable, by `order`: one pass for each byte that is not the same in all.
  func sort(_ run: UnsafeMutableBufferPointer<CustomerReference>) {
    var differing: UInt64 = 0
    let first = run[0].order
    for reference in run { differing |= reference.order ^ first }
    if memory.count < run.count {
      memory.deallocate()
      memory = .allocate(capacity: run.count + run.count / 4)
    }
    var (source, target) = (run.baseAddress!, memory.baseAddress!)
    let count = run.count
    for shift in stride(from: UInt64(0), to: 64, by: 8) where differing >> shift & 255 != 0 {
      counts.withUnsafeMutableBufferPointer { counts in
        counts.update(repeating: 0)
        for place in 0..<count { counts[Int(source[place].order >> shift & 255)] += 1 }
        var next = 0
        for digit in 0..<256 {
          let size = counts[digit]
          counts[digit] = next
          next += size
        }
        for place in 0..<count {
          let digit = Int(source[place].order >> shift & 255)
          target[counts[digit]] = source[place]
          counts[digit] += 1
        }
      }
      swap(&source, &target)
    }
    if source != run.baseAddress! { run.baseAddress!.update(from: source, count: count) }
  }
}
