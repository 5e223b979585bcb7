#if canImport(Glibc)
  import Glibc
#endif

/// Memory for rows and tables, on large pages where the system has them: 512 times fewer page faults
/// while a block is filled.
package enum LargeMemory {
  private static let largePage = 2 << 20
  /// Bytes that one thread maps at once.
  private static let piece = 2 * largePage
  /// `MADV_POPULATE_WRITE` of Linux 5.14, which not every C library's headers name yet.
  private static let populateForWriting: Int32 = 23

  /// At least 64-byte aligned, uninitialised; freed by `deallocate()`.
  ///
  /// - Parameter isSparse: Little of it may ever be written, which large pages would hide.
  package static func allocate(bytes: Int, isSparse: Bool = false) -> UnsafeMutableRawPointer {
    let isLarge = bytes >= largePage && !isSparse
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(bytes, 1), alignment: isLarge ? largePage : 64)
    if isLarge { preferLargePages(memory, bytes: bytes) }
    return memory
  }

  /// Of a block of so many bytes, about what is in memory once the first `used` were written.
  package static func resident(_ used: Int, of bytes: Int, isSparse: Bool = false) -> Int {
    let page = bytes >= largePage && !isSparse ? largePage : 4 << 10
    return min((used + page - 1) / page * page, bytes)
  }

  /// Uninitialised elements.
  package static func allocate<Element: BitwiseCopyable>(
    _ count: Int
  ) -> UnsafeMutablePointer<Element> {
    allocate(bytes: count * MemoryLayout<Element>.stride)
      .bindMemory(to: Element.self, capacity: count)
  }

  /// Asks for large pages for memory that is about to be written for the first time.
  package static func preferLargePages(_ memory: UnsafeMutableRawPointer, bytes: Int) {
    #if canImport(Glibc)
      let address = Int(bitPattern: memory)
      let first = (address + largePage - 1) & ~(largePage - 1)
      let last = (address + bytes) & ~(largePage - 1)
      guard last > first else { return }
      madvise(UnsafeMutableRawPointer(bitPattern: first), last - first, MADV_HUGEPAGE)
    #endif
  }

  /// Maps memory that is about to be written for the first time, on all threads, no two of which
  /// clear the same page. Memory that cannot be mapped at once is mapped when it is written.
  package static func populate(
    _ memory: UnsafeMutableRawPointer, bytes: Int, workers: Workers
  ) throws {
    #if canImport(Glibc)
      guard bytes >= piece else { return }
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      let first = Int(bitPattern: memory) & ~(page - 1)
      let last = Int(bitPattern: memory) + bytes
      // Pieces begin where large pages do.
      let start = first & ~(piece - 1)
      try workers.forEach((last - start + piece - 1) / piece) { index in
        let from = max(start + index * piece, first)
        let to = min(start + (index + 1) * piece, last)
        madvise(UnsafeMutableRawPointer(bitPattern: from), to - from, populateForWriting)
      }
    #endif
  }
}
