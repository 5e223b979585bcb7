import Foundation
import Sharding

/// What `--memory` allows: bytes that the process may have resident.
struct MemoryBudget: Sendable {
  let bytes: Int

  /// "512MiB", "4GiB", "1.5GiB" or a plain number of bytes.
  static func parse(_ text: String) -> Int? {
    let units: [(suffix: String, bytes: Double)] = [
      ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("TiB", 0x1p40), ("B", 1),
    ]
    let unit = units.first { text.hasSuffix($0.suffix) }
    let number = text.dropLast(unit?.suffix.count ?? 0).trimmingCharacters(in: .whitespaces)
    guard let value = Double(number), value > 0, value.isFinite else { return nil }
    let bytes = value * (unit?.bytes ?? 1)
    return bytes < 0x1p60 ? Int(bytes) : nil
  }

  /// "1.3 GiB", rounded up so that giving it back is enough.
  static func describe(_ bytes: Int) -> String {
    let mebibytes = (bytes + (1 << 20) - 1) >> 20
    return mebibytes < 10_240 ? "\(mebibytes)MiB" : "\((mebibytes + 1023) / 1024)GiB"
  }

  /// What reading, threads and libraries need whatever the number of rows, for `columns` columns of
  /// the files.
  ///
  /// Measured at 5M rows of 8 features and an id in row groups of 1M rows, 2 threads: 241 MiB (code,
  /// Arrow, stream buffers, decoded batches, rows waiting for their turn to be written); this says
  /// 253.
  static func fixed(columns: Int, threads: Int) -> Int {
    (160 << 20) + threads * ((24 << 20) + columns * (9 << 18))
  }

  /// - Throws: ``RunFailure`` `.configuration` that names what is needed.
  func check(needs needed: Int, for what: String) throws(RunFailure) {
    guard bytes >= needed else {
      throw RunFailure(
        .configuration,
        "--memory \(Self.describe(bytes)) is too little \(what)",
        hint: "give at least \(Self.describe(needed))")
    }
  }
}

extension Configuration {
  /// Nil: as much as the work takes.
  func memoryBudget() throws -> MemoryBudget? {
    guard let text = text("run.memory") else { return nil }
    guard let bytes = MemoryBudget.parse(text) else {
      throw refuse("run.memory", "is \"\(text)\"", hint: "give a size such as 512MiB or 4GiB")
    }
    return MemoryBudget(bytes: bytes)
  }
}
