import Sharding

/// The three features that moved a risk most, as a number while a base is scored and as a name when
/// all of it is.
enum ChurnReasons {
  private static let most = 3
  /// A feature and its sign.
  private static let bits = 6

  /// The largest moves, ties to the first.
  static func code(_ moves: UnsafeBufferPointer<Double>) -> Int32 {
    // Sizes and places, the largest first.
    var (first, second, third) = ((-1.0, 0), (-1.0, 0), (-1.0, 0))
    for place in moves.indices {
      let size = abs(moves[place])
      if size > first.0 {
        (first, second, third) = ((size, place), first, second)
      } else if size > second.0 {
        (second, third) = ((size, place), second)
      } else if size > third.0 {
        third = (size, place)
      }
    }
    var code: Int32 = 0
    func append(_ place: Int) {
      code = code << Int32(bits) | Int32(place * 2 + (moves[place] >= 0 ? 0 : 1))
    }
    append(first.1)
    if moves.count > 1 { append(second.1) }
    if moves.count > 2 { append(third.1) }
    return code
  }

  static func code(of churn: GeneralizedLinearModel, _ row: UnsafePointer<Double>) -> Int32 {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: churn.names.count) { moves in
      for index in moves.indices {
        moves.initializeElement(at: index, to: churn.move(index, row))
      }
      return code(UnsafeBufferPointer(moves))
    }
  }

  /// Turns codes into indices into the names of those that occur; −1 stays.
  ///
  /// - Parameter features: By their numbers.
  /// - Returns: `+` raises the risk.
  static func name(
    _ codes: UnsafeMutableBufferPointer<Int32>, _ features: [String], _ workers: Workers
  ) throws -> [String] {
    let count = min(most, features.count)
    // 18 bits: a table instead of a set.
    let size = 1 << (most * bits)
    nonisolated(unsafe) let codes = codes
    let shards = Shards(rows: codes.count, rowsPerShard: 1 << 20)
    let met = try workers.map(shards.count) { shard in
      var met = [Bool](repeating: false, count: size)
      for code in codes[shards[shard]] where code >= 0 { met[Int(code)] = true }
      return met
    }
    let used = (0..<size).filter { code in met.contains { $0[code] } }
    var rank = [Int32](repeating: -1, count: size)
    for (place, code) in used.enumerated() { rank[code] = Int32(place) }
    let ranks = rank
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] where codes[row] >= 0 { codes[row] = ranks[Int(codes[row])] }
    }
    return used.map { code in
      (0..<count).reversed().map { place -> String in
        let entry = (code >> (bits * place)) & 63
        return features[entry / 2] + (entry % 2 == 0 ? "+" : "-")
      }.joined(separator: " ")
    }
  }
}

extension ValueModel {
  /// By cell, where the risk is that of purchase models.
  func reasons(
    _ cells: PurchaseCells, _ models: [any PurchaseModel], _ workers: Workers
  ) throws -> [Int32] {
    let shards = Shards(rows: cells.count, rowsPerShard: 1 << 10)
    return try workers.map(shards.count) { shard in
      shards[shard].map { cell in
        moves(cells, cell, models).withUnsafeBufferPointer { ChurnReasons.code($0) }
      }
    }.flatMap { $0 }
  }

  /// What the log-odds of being gone lose when a customer's frequency, time of the last purchase or
  /// time known is the base's typical one instead.
  private func moves(
    _ cells: PurchaseCells, _ cell: Int, _ models: [any PurchaseModel]
  ) -> [Double] {
    let (x, last, end) = (Double(cells.repeats[cell]), cells.recency[cell], cells.age[cell])
    func logOdds(_ x: Double, _ last: Double, _ end: Double) -> Double {
      let alive =
        models.reduce(0) {
          $0 + $1.probabilityAlive(repeats: x, recency: last, age: end)
        } / Double(models.count)
      let bounded = min(max(alive, 1e-12), 1 - 1e-12)
      return SpecialFunctions.log((1 - bounded) / bounded)
    }
    let now = logOdds(x, last, end)
    let silence = end - last
    let (typicalX, typicalLast, typicalEnd) = (typical[0], typical[1], typical[2])
    let typicalSilence = min(max(typicalEnd - typicalLast, 0), end)
    return [
      now - logOdds(typicalX, last, end),
      now - logOdds(x, end - typicalSilence, end),
      // The same silence at another age.
      now - logOdds(x, max(typicalEnd - silence, 0), max(typicalEnd, silence)),
    ]
  }
}
