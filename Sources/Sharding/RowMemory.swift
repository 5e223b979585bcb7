#if canImport(Glibc)
  import Glibc
#endif

/// Memory that grows with the number of rows: of the heap, or, where a ``SpillSpace`` is current, of
/// a temporary file.
package final class RowMemory: @unchecked Sendable {
  /// 64-byte aligned, uninitialised; valid while this object is.
  package let base: UnsafeMutableRawPointer
  private let region: SpillSpace.Region?

  /// Blocks smaller than this stay in memory: they are a thread's scratch, not rows.
  private static let smallestSpilled = 1 << 20
  private static let hugePage = 2 << 20

  package init(bytes: Int) {
    // A full space leaves the heap: over budget is better than not at all.
    if bytes >= Self.smallestSpilled, let region = SpillSpace.current?.region(bytes: bytes) {
      (base, self.region) = (region.base, region)
      return
    }
    // Large blocks ask for huge pages: 512 times fewer page faults while they are filled.
    let isLarge = bytes >= 2 * Self.hugePage
    base = UnsafeMutableRawPointer.allocate(
      byteCount: max(bytes, 1), alignment: isLarge ? Self.hugePage : 64)
    #if canImport(Glibc)
      if isLarge { madvise(base, bytes, MADV_HUGEPAGE) }
    #endif
    region = nil
  }

  deinit { if region == nil { base.deallocate() } }
}
