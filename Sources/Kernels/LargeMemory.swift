import CKernels

/// Memory of one entry or more per row, on large pages where the system has them: the first write to
/// fresh 4 KB pages costs more than the write itself.
package enum LargeMemory {
  private static let pageBytes = 1 << 21

  /// At least 64-byte aligned; freed by `deallocate()`.
  package static func allocate(bytes: Int) -> UnsafeMutableRawPointer {
    let isLarge = bytes >= 2 * pageBytes
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? pageBytes : 64)
    if isLarge { tranche_prefer_large_pages(memory, bytes) }
    return memory
  }

  /// Memory that is about to be written for the first time.
  package static func prefersLargePages<Value>(_ memory: UnsafeMutableBufferPointer<Value>) {
    guard let base = memory.baseAddress else { return }
    tranche_prefer_large_pages(base, memory.count * MemoryLayout<Value>.stride)
  }
}
