import CKernels
import Foundation

/// One way to assign points to their nearest centroids, for one instruction set.
///
/// All sets give the same labels: those of the Double distances (see ``RoundingBound``). Listed best
/// first in ``all``; ``choose(columns:k:named:environment:)`` picks by CPU and shape, as measured; the
/// environment variable `TRANCHE_KERNEL` or a name forces one.
package struct KernelSet: Sendable {
  package enum Family: Sendable { case fused, gemm, reference }

  /// "vnni", "avx512", "avx2", "generic", "gemm" or "reference".
  package let name: String
  package let family: Family
  /// Whether this CPU can run it.
  package let isSupported: Bool
  /// Centroids scored at once.
  let group: Int
  /// Whether it works on integers where the centroids suit them.
  let usesIntegers: Bool
  /// Labels of tiles [first, last); returns how many points were decided in Double.
  let run:
    @Sendable (
      _ problem: borrowing tranche_problem, _ pack: CentroidPack, _ tiles: Range<Int>,
      _ labels: UnsafeMutablePointer<Int32>, _ scratch: KernelScratch
    ) -> Int
  /// The same for a few tiles, as ``StrictLoops`` calls it; nil where the set works on blocks.
  let tileFunction: TileFunction?
  /// The same with bounds; nil where the set has none.
  let bounded: BoundedFunction?

  struct TileFunction: @unchecked Sendable {
    // A C function pointer is immutable code.
    let call: tranche_assign_function
  }

  struct BoundedFunction: @unchecked Sendable {
    // A C function pointer is immutable code.
    let call: tranche_bounded_function
  }

  /// Whether ``CentroidBounds`` can use this set.
  package var hasBounds: Bool { bounded != nil }
  /// Whether a pass can call this set every few tiles, while their points are in the first cache.
  package var worksByTile: Bool { tileFunction != nil }

  init(
    name: String, family: Family, isSupported: Bool, group: Int, usesIntegers: Bool = false,
    tileFunction: TileFunction? = nil, bounded: BoundedFunction? = nil,
    run:
      @escaping @Sendable (
        borrowing tranche_problem, CentroidPack, Range<Int>, UnsafeMutablePointer<Int32>,
        KernelScratch
      ) -> Int
  ) {
    self.name = name
    self.family = family
    self.isSupported = isSupported
    self.group = group
    self.usesIntegers = usesIntegers
    self.tileFunction = tileFunction
    self.bounded = bounded
    self.run = run
  }

  /// The forced set cannot be had.
  package struct Unavailable: Error, CustomStringConvertible {
    package let description: String
  }
}

/// Memory that one thread's kernel calls reuse.
package final class KernelScratch {
  /// Most points whose scores GEMM holds at once: k-blocks × this many stay in the second cache.
  static let blockRows = 512
  static let blockCentroids = 256
  lazy var points = UnsafeMutableBufferPointer<Float>.allocate(
    capacity: Self.blockRows * columns)
  lazy var scores = UnsafeMutableBufferPointer<Float>.allocate(
    capacity: Self.blockRows * min(k, Self.blockCentroids))
  lazy var best = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.blockRows)
  lazy var second = UnsafeMutableBufferPointer<Float>.allocate(capacity: Self.blockRows)
  private let columns: Int
  private let k: Int
  private let usesScores: Bool

  init(columns: Int, k: Int, usesScores: Bool) {
    self.columns = columns
    self.k = k
    self.usesScores = usesScores
  }

  deinit {
    guard usesScores else { return }
    points.deallocate()
    scores.deallocate()
    best.deallocate()
    second.deallocate()
  }
}

extension KernelSet {
  /// Lanes are points, centroids are blocked in registers, minimum and label stay there.
  private static func fused(
    _ name: String, _ supported: Bool, _ group: Int64, _ function: tranche_assign_function,
    _ bounded: tranche_bounded_function, usesIntegers: Bool = false
  ) -> KernelSet {
    // A C function pointer is immutable code.
    nonisolated(unsafe) let function = function
    return KernelSet(
      name: name, family: .fused, isSupported: supported, group: Int(group),
      usesIntegers: usesIntegers,
      tileFunction: TileFunction(call: function), bounded: BoundedFunction(call: bounded)
    ) { problem, _, tiles, labels, _ in
      withUnsafePointer(to: problem) {
        Int(function($0, Int64(tiles.lowerBound), Int64(tiles.upperBound), labels))
      }
    }
  }

  /// Scores in 16-bit integers; points that those do not tell apart are scored as ``avx512`` does.
  package static let vnni = fused(
    "vnni", tranche_supports_vnni() != 0, tranche_group_avx512(), tranche_assign_vnni,
    tranche_assign_bounded_avx512, usesIntegers: true)
  package static let avx512 = fused(
    "avx512", tranche_supports_avx512() != 0, tranche_group_avx512(), tranche_assign_avx512,
    tranche_assign_bounded_avx512)
  package static let avx2 = fused(
    "avx2", tranche_supports_avx2() != 0, tranche_group_avx2(), tranche_assign_avx2,
    tranche_assign_bounded_avx2)
  package static let generic = fused(
    "generic", true, tranche_group_generic(), tranche_assign_generic,
    tranche_assign_bounded_generic)

  /// What "correct" means: Double distances in the order of the features, ties to the lowest label.
  package static let reference = KernelSet(
    name: "reference", family: .reference, isSupported: true, group: 1
  ) { problem, pack, tiles, labels, _ in
    let (d, k, rows) = (pack.columns, pack.k, Int(problem.rows))
    let tileRows = FeatureMatrix.tileRows
    let x: UnsafePointer<Float> = problem.x!
    for tile in tiles {
      for lane in 0..<tileRows {
        var best = Double.infinity
        var label: Int32 = 0
        if tile * tileRows + lane < rows {
          for j in 0..<k {
            var sum = 0.0
            for i in 0..<d {
              let value: Float = x[(tile * d + i) * tileRows + lane]
              let difference = Double(value) - pack.exact[i * k + j]
              sum += difference * difference
            }
            if sum < best {
              best = sum
              label = Int32(j)
            }
          }
        }
        labels[(tile - tiles.lowerBound) * tileRows + lane] = label
      }
    }
    return tiles.count * tileRows
  }

  /// Best first.
  package static let all: [KernelSet] = [vnni, avx512, avx2, generic, gemm, reference]
  package static var supported: [KernelSet] { all.filter(\.isSupported) }

  /// Instruction-set level of the strict loops, whose results are the same on every level.
  package static let strictLevel: Int32 =
    avx512.isSupported ? 3 : avx2.isSupported ? 2 : 0

  /// The set for a shape.
  ///
  /// - Parameters:
  ///   - name: `auto` (or nil) = `TRANCHE_KERNEL` where set, else the fastest; `fused` = the fastest
  ///     fused set; or a set's name.
  ///   - environment: `TRANCHE_KERNEL_RULE` names a file that `tranche bench --json` printed, to tell
  ///     which is the fastest; else it is ``KernelRule/measured``.
  /// - Throws: ``Unavailable`` for a name that does not exist or that this CPU cannot run, and for a
  ///   file that is no such record.
  package static func choose(
    columns d: Int, k: Int, named name: String? = nil,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(Unavailable) -> KernelSet {
    var wanted = name ?? "auto"
    if wanted == "auto" { wanted = environment["TRANCHE_KERNEL"] ?? "auto" }
    switch wanted {
    case "auto", "":
      return fastest(columns: d, k: k, by: try rule(environment), family: nil)
    case "fused":
      return fastest(columns: d, k: k, by: try rule(environment), family: .fused)
    default: break
    }
    guard let set = all.first(where: { $0.name == wanted }) else {
      let names = all.map(\.name).joined(separator: ", ")
      throw Unavailable(
        description: "there is no kernel '\(wanted)'; choose auto, fused, \(names)")
    }
    guard set.isSupported else {
      throw Unavailable(description: "this CPU cannot run the kernel '\(wanted)'; choose auto")
    }
    return set
  }

  /// The first set of the rule that this CPU can run.
  static func fastest(
    columns d: Int, k: Int, by rule: KernelRule, family: Family?,
    among sets: [KernelSet] = supported
  ) -> KernelSet {
    for name in rule.kernels(columns: d, k: k) {
      let set = sets.first { $0.name == name && (family == nil || $0.family == family) }
      if let set { return set }
    }
    return generic
  }

  private static func rule(_ environment: [String: String]) throws(Unavailable) -> KernelRule {
    guard let path = environment["TRANCHE_KERNEL_RULE"], !path.isEmpty else { return .measured }
    do {
      return try KernelRule(record: try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      throw Unavailable(
        description:
          "TRANCHE_KERNEL_RULE: \(path) is not what `tranche bench --json` prints, or cannot be read"
      )
    }
  }

  /// Share of a plain pass's scores above which one with bounds takes longer: bounds score in Float.
  package var boundsShare: Double { usesIntegers ? 0.4 : 0.7 }

  package func pack(_ centroids: [Double], columns: Int) -> CentroidPack {
    CentroidPack(centroids, columns: columns, group: group, integers: usesIntegers)
  }

  /// What one thread needs for ``assign(_:to:tiles:labels:scratch:)``.
  package func scratch(columns: Int, k: Int) -> KernelScratch {
    KernelScratch(columns: columns, k: k, usesScores: family == .gemm)
  }

  /// Writes the label of the nearest centroid of every point of `tiles`.
  ///
  /// - Parameters:
  ///   - pack: Made by this set's ``pack(_:columns:)``.
  ///   - labels: `tileRows` entries per tile, from the range's first tile on; lanes past the
  ///     matrix's rows are overwritten too.
  /// - Returns: How many points were decided in Double.
  @discardableResult
  package func assign(
    _ matrix: FeatureMatrix, to pack: CentroidPack, tiles: Range<Int>,
    labels: UnsafeMutablePointer<Int32>, scratch: KernelScratch
  ) -> Int {
    precondition(tiles.upperBound <= matrix.tileCount)
    return withExtendedLifetime((matrix, pack)) {
      run(pack.problem(matrix), pack, tiles, labels, scratch)
    }
  }
}
