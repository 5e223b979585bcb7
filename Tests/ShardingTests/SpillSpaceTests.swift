import Foundation
import TestSupport
import Testing

@testable import Sharding

@Suite struct SpillSpaceTests {
  @Test func holdsWhatIsWrittenAndTakesItBack() throws {
    let folder = try TemporaryFolder()
    let space = try SpillSpace(folder: folder.url.path, capacity: 16 << 20, residentLimit: 0)
    // No name is left to clean up.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
    var blocks: [RowMemory] = []
    space.run {
      for index in 0..<4 {
        let block = RowMemory(bytes: 4 << 20)
        block.base.initializeMemory(as: UInt8.self, repeating: UInt8(index + 1), count: 4 << 20)
        #expect(space.makeRoom(for: 0))
        blocks.append(block)
      }
    }
    for (index, block) in blocks.enumerated() {
      for offset in stride(from: 0, to: 4 << 20, by: 4_093) {
        #expect(block.base.load(fromByteOffset: offset, as: UInt8.self) == UInt8(index + 1))
      }
    }
    // Full: the heap helps out. Freed neighbours become one gap again.
    space.run { #expect(space.region(bytes: 4 << 20) == nil) }
    let extra = space.run { RowMemory(bytes: 4 << 20) }
    extra.base.initializeMemory(as: UInt8.self, repeating: 9, count: 4 << 20)
    blocks.remove(at: 1)
    blocks.remove(at: 1)
    #expect(space.region(bytes: 8 << 20) != nil)
    // Outside, and for small blocks, memory is memory.
    #expect(SpillSpace.current == nil)
    let small = space.run { RowMemory(bytes: 1 << 10) }
    small.base.storeBytes(of: 7, as: UInt8.self)
  }

  @Test func makingRoomLetsPagesGo() throws {
    let folder = try TemporaryFolder()
    let space = try SpillSpace(folder: folder.url.path, capacity: 64 << 20, residentLimit: 1 << 60)
    let block = space.run { RowMemory(bytes: 64 << 20) }
    block.base.initializeMemory(as: UInt8.self, repeating: 1, count: 64 << 20)
    let full = try #require(ResidentMemory().bytes)
    #expect(!space.makeRoom(for: 1 << 20))
    #expect(space.makeRoom(for: 1 << 60))
    let trimmed = try #require(ResidentMemory().bytes)
    #expect(full - trimmed > 48 << 20)
    #expect(block.base.load(fromByteOffset: 63 << 20, as: UInt8.self) == 1)
  }

  /// Nobody who reads or writes has to look.
  @Test func pagesGoByThemselves() throws {
    let folder = try TemporaryFolder()
    let bytes = 256 << 20
    let space = try SpillSpace(folder: folder.url.path, capacity: bytes, residentLimit: 0)
    let block = space.run { RowMemory(bytes: bytes) }
    let before = try #require(ResidentMemory().bytes)
    block.base.initializeMemory(as: UInt8.self, repeating: 5, count: bytes)
    var after = Int.max
    for _ in 0..<1_000 where after - before > bytes / 2 {
      usleep(10_000)
      after = try #require(ResidentMemory().bytes)
    }
    #expect(after - before <= bytes / 2)
    #expect(block.base.load(fromByteOffset: bytes - 1, as: UInt8.self) == 5)
  }

  @Test func noRoomIsAnError() throws {
    #expect(throws: SpillSpace.Failure.self) {
      try SpillSpace(folder: "/no/such/folder", capacity: 1 << 20, residentLimit: 0)
    }
    let folder = try TemporaryFolder()
    #expect(throws: SpillSpace.Failure.self) {
      try SpillSpace(folder: folder.url.path, capacity: 1 << 60, residentLimit: 0)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
  }
}
