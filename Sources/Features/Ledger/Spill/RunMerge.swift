import Columnar
import Sharding

/// Merges runs of customers range by range of their ids, so that threads share the work and the
/// memory is that of a range. Any cut gives the same table: no two customers have one id.
struct RunMerge: Sendable {
  private let runs: [SortedRun]
  private let file: SpillFile
  private let hasText: Bool
  /// What all ids begin with.
  private let prefix: Int

  /// Rows of a range, about.
  private static let rangeRows = 65_536

  /// Rows of every run that go into one range, and where they begin in the table.
  struct Shard: Sendable {
    let rows: [Range<Int>]
    let start: Int
    var count: Int { rows.reduce(0) { $0 + $1.count } }
  }

  init(_ runs: [SortedRun], _ file: SpillFile, hasText: Bool) {
    (self.runs, self.file, self.hasText) = (runs, file, hasText)
    var prefix = 0
    if hasText, let first = runs.map({ $0.samples[0] }).min(), let last = runs.map(\.last).max(),
      case .text(let low) = first, case .text(let high) = last
    {
      // Between them in order, all ids begin as both do.
      prefix = zip(low, high).prefix { $0 == $1 }.count
    }
    self.prefix = prefix
  }

  func shards(_ workers: Workers) throws -> [Shard] {
    let samples = runs.flatMap(\.samples).sorted()
    let step = Self.rangeRows / SortedRun.sampleStep
    let cuts = stride(from: step, to: samples.count, by: step).map { samples[$0] }
    let bounds = try workers.map(cuts.count) { cut in
      try runs.map { try lowerBound(of: cuts[cut], in: $0) }
    }
    var shards: [Shard] = []
    var start = 0
    var from = runs.map { _ in 0 }
    for to in bounds + [runs.map(\.count)] {
      let shard = Shard(rows: zip(from, to).map { $0..<$1 }, start: start)
      start += shard.count
      from = to
      if shard.count > 0 { shards.append(shard) }
    }
    return shards
  }

  /// The first row of a run whose id is not below `id`.
  private func lowerBound(of id: RunID, in run: SortedRun) throws -> Int {
    var (low, high) = (0, run.samples.count)
    while low < high {
      let middle = (low + high) / 2
      if run.samples[middle] < id { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return 0 }
    // Behind the last sample below it.
    let begin = (low - 1) * SortedRun.sampleStep
    let rows = begin..<min(run.count, begin + SortedRun.sampleStep)
    let scratch = RunScratch()
    let ids = try read(rows, of: run, scratch)
    return rows.first { !(ids($0 - begin) < id) } ?? rows.upperBound
  }

  private func read(
    _ rows: Range<Int>, of run: SortedRun, _ scratch: RunScratch
  ) throws -> (Int) -> RunID {
    let count = hasText ? rows.count + 1 : rows.count
    let values = scratch.numbers(count)
    try file.read(
      at: run.ids.offset + rows.lowerBound * 8, into: UnsafeMutableRawBufferPointer(values))
    guard let bytes = run.bytes else { return { .number(values[$0]) } }
    let texts = scratch.bytes(Int(values[rows.count] - values[0]))
    try file.read(at: bytes.offset + Int(values[0]), into: UnsafeMutableRawBufferPointer(texts))
    return { row in
      let first = values[0]
      return withExtendedLifetime(scratch) {
        .text(Array(texts[Int(values[row] - first)..<Int(values[row + 1] - first)]))
      }
    }
  }

  /// Writes one range of the table.
  ///
  /// - Parameters:
  ///   - planes: Beginnings of the table's columns, each `widths` bytes a row.
  func merge(
    _ shard: Shard, ids: MergedIDs, planes: [UnsafeMutableRawPointer], _ widths: [Int],
    _ scratch: RunScratch
  ) throws {
    let count = shard.count
    let order =
      hasText
      ? try mergeTexts(shard, into: ids, scratch) : try mergeNumbers(shard, into: ids, scratch)
    for (plane, width) in widths.enumerated() {
      let source = UnsafeMutableRawBufferPointer(scratch.bytes(count * width))
      var filled = 0
      for (run, rows) in zip(runs, shard.rows) where !rows.isEmpty {
        try file.read(
          at: run.planes[plane].extent.offset + rows.lowerBound * width,
          into: UnsafeMutableRawBufferPointer(
            rebasing: source[filled..<filled + rows.count * width]))
        filled += rows.count * width
      }
      guard let base = source.baseAddress else { continue }
      let target = planes[plane] + shard.start * width
      if width == 8 {
        for row in 0..<count {
          (target + row * 8).storeBytes(
            of: base.load(fromByteOffset: Int(order[row].place) * 8, as: UInt64.self),
            as: UInt64.self)
        }
      } else {
        for row in 0..<count {
          (target + row * width).copyMemory(
            from: base + Int(order[row].place) * width, byteCount: width)
        }
      }
    }
  }

  private func mergeNumbers(
    _ shard: Shard, into ids: MergedIDs, _ scratch: RunScratch
  ) throws -> UnsafeMutableBufferPointer<RunScratch.Entry> {
    let count = shard.count
    let values = scratch.numbers(count)
    var filled = 0
    for (run, rows) in zip(runs, shard.rows) where !rows.isEmpty {
      try file.read(
        at: run.ids.offset + rows.lowerBound * 8,
        into: UnsafeMutableRawBufferPointer(
          UnsafeMutableBufferPointer(rebasing: values[filled..<filled + rows.count])))
      filled += rows.count
    }
    var entries = scratch.entries(count)
    for place in 0..<count {
      entries.initializeElement(
        at: place,
        to: .init(order: UInt64(bitPattern: values[place]) ^ 1 << 63, place: UInt32(place)))
    }
    entries.sort { $0.order < $1.order }
    let target = ids.values + shard.start
    for row in 0..<count { target[row] = values[Int(entries[row].place)] }
    return entries
  }

  private func mergeTexts(
    _ shard: Shard, into ids: MergedIDs, _ scratch: RunScratch
  ) throws -> UnsafeMutableBufferPointer<RunScratch.Entry> {
    let count = shard.count
    // Every run's offsets end with one more than it has rows.
    let offsets = scratch.numbers(count + runs.count)
    let spans = scratch.spans(count)
    var (filled, place, size, before) = (0, 0, 0, 0)
    var parts: [(run: SortedRun, first: Int, start: Int, bytes: Int)] = []
    for (run, rows) in zip(runs, shard.rows) {
      let part = UnsafeMutableBufferPointer(rebasing: offsets[filled..<filled + rows.count + 1])
      try file.read(
        at: run.ids.offset + rows.lowerBound * 8, into: UnsafeMutableRawBufferPointer(part))
      let (first, last) = (Int(part[0]), Int(part[rows.count]))
      before += first
      for row in 0..<rows.count {
        spans.initializeElement(
          at: place,
          to: (start: size + Int(part[row]) - first, length: Int(part[row + 1] - part[row])))
        place += 1
      }
      parts.append((run, first, size, last - first))
      size += last - first
      filled += rows.count + 1
    }
    let texts = scratch.texts(size)
    for part in parts where part.bytes > 0 {
      guard let bytes = part.run.bytes else { continue }
      try file.read(
        at: bytes.offset + part.first,
        into: UnsafeMutableRawBufferPointer(
          UnsafeMutableBufferPointer(rebasing: texts[part.start..<part.start + part.bytes])))
    }
    func text(_ place: UInt32) -> UnsafeMutableBufferPointer<UInt8> {
      let span = spans[Int(place)]
      return UnsafeMutableBufferPointer(rebasing: texts[span.start..<span.start + span.length])
    }
    var entries = scratch.entries(count)
    for place in 0..<count {
      var order: UInt64 = 0
      let bytes = text(UInt32(place))
      for offset in prefix..<prefix + 8 {
        order = order << 8 | (offset < bytes.count ? UInt64(bytes[offset]) : 0)
      }
      entries.initializeElement(at: place, to: .init(order: order, place: UInt32(place)))
    }
    entries.sort {
      $0.order != $1.order
        ? $0.order < $1.order : text($0.place).lexicographicallyPrecedes(text($1.place))
    }
    guard let target = ids.bytes else { preconditionFailure("texts are merged into texts") }
    var end = before
    for row in 0..<count {
      let bytes = text(entries[row].place)
      if let base = bytes.baseAddress { (target + end).update(from: base, count: bytes.count) }
      end += bytes.count
      ids.values[shard.start + row + 1] = Int64(end)
    }
    return entries
  }
}

/// One thread's memory for merging, reused.
final class RunScratch {
  struct Entry: BitwiseCopyable {
    /// Sorts like the id, for texts up to eight bytes behind what all begin with.
    var order: UInt64
    /// Among the rows of all runs, one after the other.
    var place: UInt32
  }

  private let blocks = (0..<5).map { _ in GrowingMemory() }

  func numbers(_ count: Int) -> UnsafeMutableBufferPointer<Int64> { blocks[0].values(count) }
  func bytes(_ count: Int) -> UnsafeMutableBufferPointer<UInt8> { blocks[1].values(count) }
  func texts(_ count: Int) -> UnsafeMutableBufferPointer<UInt8> { blocks[2].values(count) }
  func entries(_ count: Int) -> UnsafeMutableBufferPointer<Entry> { blocks[3].values(count) }
  func spans(_ count: Int) -> UnsafeMutableBufferPointer<(start: Int, length: Int)> {
    blocks[4].values(count)
  }

  private final class GrowingMemory {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit { memory.deallocate() }

    /// Uninitialised; good until the next call.
    func values<Value: BitwiseCopyable>(_ count: Int) -> UnsafeMutableBufferPointer<Value> {
      let bytes = max(count, 1) * MemoryLayout<Value>.stride
      if memory.count < bytes {
        memory.deallocate()
        memory = .allocate(byteCount: bytes + bytes / 4, alignment: 64)
      }
      return UnsafeMutableBufferPointer(
        start: memory.baseAddress!.bindMemory(to: Value.self, capacity: count), count: count)
    }
  }
}
