import Sharding
import Testing

@testable import Columnar

/// Every instruction set's scanner against a loop, around the 64 bytes that are compared at once.
@Suite struct StructureScannerTests {
  @Test(
    arguments: (1...StructureScanner.bestLevel).map { $0 },
    [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 1_000, StructureScanner.partBytes])
  func agreesWithALoop(level: Int32, count: Int) {
    let random = CounterBasedRandom(seed: UInt64(count), purpose: .init("structure"))
    let wanted = [UInt8(ascii: ","), 0x0A, UInt8(ascii: "\""), 0x0D]
    // From nearly nothing to nothing else.
    for density in [0.0, 0.02, 0.3, 1.0] {
      var text = (0..<count).map { place in
        random.unit(at: 2 * place) < density
          ? wanted[place % 4] : UInt8(random.unit(at: 2 * place + 1) * 256)
      }
      let expected = (0..<count).filter { wanted.contains(text[$0]) }.map(UInt32.init)
      // What lies behind is not the text's.
      text += [UInt8](repeating: UInt8(ascii: ","), count: 64)
      let scanner = StructureScanner(wanted[0], wanted[1], wanted[2], wanted[3], level: level)
      let found = [UInt32](unsafeUninitializedCapacity: count + 64) { places, filled in
        filled = scanner.scan(text, count: count, into: places.baseAddress!)
      }
      #expect(found == expected, "density \(density)")
      let commas = StructureScanner(wanted[0], wanted[0], wanted[0], wanted[0], level: level)
      let few = [UInt32](unsafeUninitializedCapacity: count + 64) { places, filled in
        filled = commas.scan(text, count: count, into: places.baseAddress!)
      }
      #expect(few == expected.filter { text[Int($0)] == wanted[0] })
    }
  }
}
