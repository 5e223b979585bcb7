import Columnar
import Sharding
import TestSupport
import Testing

@testable import Features

/// The parts that a state is made of, against plain twins.
@Suite struct StateLayoutTests {
  private static func ages(_ list: [UInt8], oldest: Int) -> [Int] {
    list.withUnsafeBufferPointer { list in
      var ages: [Int] = []
      DayList.forEachAge(list, oldest: oldest) { ages.append($0) }
      return ages
    }
  }

  private static func bytes(_ block: borrowing GrowingBlock<UInt8>) -> [UInt8] {
    Array(UnsafeBufferPointer(start: block.base, count: block.count))
  }

  /// Gaps of 1, around 255 and its multiples, and of years.
  @Test func dayListsKeepEveryDay() {
    let random = CounterBasedRandom(seed: 5, purpose: .init("day lists"))
    let gaps = [1, 2, 30, 254, 255, 256, 509, 510, 511, 4_000]
    for round in 0..<300 {
      var days: Set<Int> = []
      var age = 0
      for number in 0..<Int(random.unit(at: round * 64) * 20) + 1 {
        age += gaps[Int(random.unit(at: round * 64 + number + 1) * Double(gaps.count))]
        days.insert(age)
      }
      let all = days.sorted(by: >)
      var whole = GrowingBlock<UInt8>()
      #expect(DayList.write(all, to: &whole) == all[0])
      #expect(Self.ages(Self.bytes(whole), oldest: all[0]) == all)
      // Any split into what is known and what is new gives the same list, twice met days too.
      let known = all.enumerated().filter {
        $0.offset == 0 || random.unit(at: round * 64 + 30 + $0.offset % 30) < 0.5
      }.map(\.element)
      let new = all.filter { !known.contains($0) } + (round % 3 == 0 ? [known[0]] : [])
      guard !new.isEmpty else { continue }
      var old = GrowingBlock<UInt8>()
      _ = DayList.write(known, to: &old)
      let list = Self.bytes(old)
      var merged = GrowingBlock<UInt8>()
      list.withUnsafeBufferPointer {
        DayList.merge(
          $0, oldest: known[0], youngest: known.last!, new.sorted(by: >), to: &merged)
      }
      #expect(Self.bytes(merged) == Self.bytes(whole), "round \(round)")
    }
  }

  /// The last bound that is not beyond the id; bounds dense, far apart, and as far as numbers go.
  @Test(arguments: [
    [], [0], [5, 6, 7, 1_000, 1_000_000_007], [Int64.min + 3, -1, 0, 12, Int64.max - 1],
    Array(stride(from: Int64(-40_000), to: 900_000, by: 1_311)),
  ])
  func rangesOfIntegers(bounds: [Int64]) {
    var ids: [Int64] = [Int64.min, Int64.max, 0, -1, 1, 77_777]
    for bound in bounds { ids += [bound - 1, bound, bound + 1] }
    let ranges = IdentityRanges(integers: bounds)
    #expect(1 << ranges.bits >= ranges.count)
    var found = [UInt64](repeating: 99, count: ids.count)
    found.withUnsafeMutableBufferPointer {
      ranges.place(Column(.int64(Buffer(ids))), to: $0.baseAddress!, shift: 3)
    }
    #expect(found == ids.map { id in UInt64(bounds.count { $0 <= id }) << 3 })
  }

  @Test func rangesOfTexts() {
    let bounds = ["a", "customer 00010", "customer 00010 b", "customer 1", "z", "zz"]
    let ids = ["", "A", "a", "a ", "customer 0001", "customer 00010", "customer 00010 a", "y", "é"]
    let ranges = IdentityRanges(texts: bounds.map { Array($0.utf8) })
    var found = [UInt64](repeating: 99, count: ids.count)
    found.withUnsafeMutableBufferPointer {
      ranges.place(Column(.strings(Strings(ids))), to: $0.baseAddress!, shift: 0)
    }
    let expected = ids.map { id in
      UInt64(bounds.count { !id.utf8.lexicographicallyPrecedes($0.utf8) })
    }
    #expect(found == expected)
  }

  /// Every width at its ends, bytes, and a change of any bit.
  @Test func narrowColumnsComeBackFromTheirFile() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("narrow.arrow")
    let values: [[Int64]] = [
      [-128, 127, 0], [-32_768, 32_767, 5], [Int64(Int32.min), Int64(Int32.max), -1],
      [.min, .max, 7],
    ]
    let widths = values.map { NarrowColumn.width($0.min()!, $0.max()!) }
    #expect(widths == [1, 2, 4, 8])
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * 64, alignment: 64)
    defer { memory.deallocate() }
    var columns: [NarrowColumn] = []
    for (column, (values, width)) in zip(values, widths).enumerated() {
      NarrowColumn.write(3, width: width, to: memory + 64 * column) { values[$0] }
      columns.append(.integers(memory + 64 * column, width: width))
    }
    let (bytes, offsets) = (Buffer<UInt8>([1, 2, 3, 0, 255]), Buffer<Int32>([0, 3, 3, 5]))
    columns.append(.bytes(bytes.base, offsets: offsets.base))
    let batch = NarrowBatch(rows: 3, columns: columns)
    let fields =
      widths.enumerated().map { NarrowField("column \($0)", .integer(width: $1)) } + [
        NarrowField("bytes", .binary)
      ]
    try MappedTable.write([batch, batch], fields: fields, to: path)
    let table = try MappedTable(path: path)
    #expect(table.fields == fields && table.batches.map(\.rows) == [3, 3])
    let sum = batch.checksum
    #expect(table.batches.map(\.checksum) == [sum, sum])
    for (column, values) in values.enumerated() {
      guard case .integers(let start, let width) = table.batches[1].columns[column] else {
        Issue.record("column \(column) is no column of integers")
        continue
      }
      #expect((0..<3).map { NarrowColumn.value(start, width: width, $0) } == values)
    }
    for bit in 0..<3 * 8 {
      let byte = (memory + 64 * 3 + bit).assumingMemoryBound(to: UInt8.self)
      byte.pointee ^= 1 << UInt8(bit % 8)
      #expect(batch.checksum != sum, "byte \(bit)")
      byte.pointee ^= 1 << UInt8(bit % 8)
    }
    withExtendedLifetime((bytes, offsets)) {}
  }
}
