import Sharding

/// Immutable values in memory that someone else may own: an array of ours, or an Arrow buffer that
/// is released when the last `Buffer` over it goes away. Copying a `Buffer` copies no values.
package struct Buffer<Element: BitwiseCopyable>: @unchecked Sendable {
  /// Unsafe once `owner` is gone: keep the `Buffer` alive while using it.
  package let base: UnsafePointer<Element>
  package let count: Int
  private let owner: AnyObject

  /// Borrows `count` elements that live as long as `owner`.
  package init(base: UnsafePointer<Element>, count: Int, owner: AnyObject) {
    self.base = base
    self.count = count
    self.owner = owner
  }

  /// Allocates `count` elements, 64-byte aligned, and lets `fill` initialise every one of them.
  package init(
    count: Int, initializingWith fill: (UnsafeMutableBufferPointer<Element>) throws -> Void
  ) rethrows {
    let block = RowMemory(bytes: count * MemoryLayout<Element>.stride)
    let start = block.base.assumingMemoryBound(to: Element.self)
    try fill(UnsafeMutableBufferPointer(start: start, count: count))
    self.init(base: UnsafePointer(start), count: count, owner: block)
  }

  /// Memory for `count` elements that several threads may fill before anyone reads `buffer`.
  package static func uninitialized(
    count: Int
  ) -> (buffer: Buffer, storage: UnsafeMutableBufferPointer<Element>) {
    let block = RowMemory(bytes: count * MemoryLayout<Element>.stride)
    let start = block.base.bindMemory(to: Element.self, capacity: Swift.max(count, 1))
    return (
      Buffer(base: UnsafePointer(start), count: count, owner: block),
      UnsafeMutableBufferPointer(start: start, count: count)
    )
  }

  package init(_ values: some Collection<Element>) {
    self.init(count: values.count) { target in _ = target.initialize(from: values) }
  }

  package var values: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: base, count: count)
  }

  @inline(__always)
  package subscript(index: Int) -> Element {
    assert(index >= 0 && index < count, "index \(index) outside 0..<\(count)")
    return withExtendedLifetime(owner) { base[index] }
  }

  /// The elements of `range`, sharing this buffer's memory.
  package subscript(range: Range<Int>) -> Buffer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return Buffer(base: base + range.lowerBound, count: range.count, owner: owner)
  }
}
