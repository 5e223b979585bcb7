/// Memory that grows with the number of rows: of the heap, or, where a ``SpillSpace`` is current, of
/// a temporary file.
package final class RowMemory: @unchecked Sendable {
  /// 64-byte aligned, uninitialised; valid while this object is.
  package let base: UnsafeMutableRawPointer
  private let bytes: Int
  private let region: SpillSpace.Region?

  /// Blocks smaller than this stay in memory: they are a thread's scratch, not rows.
  private static let smallestSpilled = 1 << 20

  package init(bytes: Int) {
    self.bytes = bytes
    // A full space leaves the heap: over budget is better than not at all.
    if bytes >= Self.smallestSpilled, let region = SpillSpace.current?.region(bytes: bytes) {
      (base, self.region) = (region.base, region)
      return
    }
    base = LargeMemory.allocate(bytes: bytes)
    region = nil
  }

  /// Maps memory that is about to be written, on all threads. Not needed, only faster.
  package func populate(_ workers: Workers) throws {
    guard region == nil else { return }
    try LargeMemory.populate(base, bytes: bytes, workers: workers)
  }

  deinit { if region == nil { base.deallocate() } }
}
