import Columnar
import Sharding

/// A folded row that will leave a window one day: whose it is, when it was, how much.
struct DayCell<Amount: LedgerAmount>: BitwiseCopyable {
  /// Index in its partition.
  var state: UInt32
  /// Days before as-of.
  var age: Int32
  var amount: Amount
}

/// Values appended one by one, in memory that is reused.
struct GrowingBlock<Element: BitwiseCopyable>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 64) {
    self.capacity = capacity
    base = LargeMemory.allocate(capacity)
  }

  deinit { base.deallocate() }

  @inline(__always)
  mutating func append(_ element: Element) {
    if count == capacity { grow(to: 2 * capacity) }
    (base + count).initialize(to: element)
    count += 1
  }

  @inline(__always)
  mutating func append(contentsOf elements: UnsafeBufferPointer<Element>) {
    if count + elements.count > capacity { grow(to: max(2 * capacity, count + elements.count)) }
    if let start = elements.baseAddress {
      (base + count).update(from: start, count: elements.count)
    }
    count += elements.count
  }

  /// As `append(contentsOf:)` for a few elements, without a call: copies eight bytes at a time, up to
  /// seven beyond the last on either side.
  ///
  /// - Parameter readable: Whether those may be read.
  @inline(__always)
  mutating func append(few elements: UnsafeBufferPointer<Element>, readable: Bool)
  where Element == UInt8 {
    guard readable, let source = UnsafeRawPointer(elements.baseAddress) else {
      append(contentsOf: elements)
      return
    }
    if count + elements.count + 8 > capacity {
      grow(to: max(2 * capacity, count + elements.count + 8))
    }
    let target = UnsafeMutableRawPointer(base + count)
    var offset = 0
    while offset < elements.count {
      target.storeBytes(
        of: source.loadUnaligned(fromByteOffset: offset, as: UInt64.self), toByteOffset: offset,
        as: UInt64.self)
      offset += 8
    }
    count += elements.count
  }

  /// Appends the lowest `bytes` bytes of a word, least significant first.
  @inline(__always)
  mutating func append(word: UInt64, bytes: Int) where Element == UInt8 {
    if count + 8 > capacity { grow(to: max(2 * capacity, count + 8)) }
    UnsafeMutableRawPointer(base + count).storeBytes(of: word.littleEndian, as: UInt64.self)
    count += bytes
  }

  /// Makes room for `count` elements in all; what is there stays.
  mutating func reserve(_ count: Int) {
    if count > capacity { grow(to: max(count, 2 * capacity)) }
  }

  /// Counts what was written into the room behind the last element, up to `end`.
  mutating func extend(to end: UnsafeMutablePointer<Element>) {
    count = end - base
    precondition(count <= capacity)
  }

  mutating func removeAll() { count = 0 }

  /// Makes room for `count` elements, which the caller writes.
  mutating func resize(to count: Int) {
    if count > capacity { grow(to: count + count / 16) }
    self.count = count
  }

  private mutating func grow(to larger: Int) {
    let grown: UnsafeMutablePointer<Element> = LargeMemory.allocate(larger)
    grown.update(from: base, count: count)
    base.deallocate()
    base = grown
    capacity = larger
  }
}

extension InputError {
  /// A state's file is not what its index says.
  static func damagedState(_ file: String) -> InputError {
    InputError(
      .badData, "the state is damaged", file: file,
      hint: "make it anew from all of the ledger with --refold")
  }
}
