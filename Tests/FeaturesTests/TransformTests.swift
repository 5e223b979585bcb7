import Columnar
import Foundation
import Kernels
import Sharding
import TestSupport
import Testing

@testable import Features

/// Transforms against numpy, and against themselves on another table.
@Suite struct TransformTests {
  /// Columns of more than one shard, with ties, both signs, gaps and infinities.
  private static let columns: [String: [Double]] = {
    let random = CounterBasedRandom(seed: 21, purpose: .init("transform tests"))
    let n = 40_003
    func draw(_ salt: Int, _ value: (Double) -> Double) -> [Double] {
      (0..<n).map { value(random.unit(at: $0 * 8 + salt)) }
    }
    return [
      "amount": draw(0) { exp(6 * $0) - 20 },
      "count": draw(1) { ($0 * $0 * 40).rounded(.down) },
      "ratio": draw(2) { $0 * 2 - 1 },
      "gaps": draw(3) {
        $0 < 0.2 ? .nan : $0 < 0.21 ? .infinity : $0 < 0.22 ? -.infinity : $0 * 90
      },
      "offset": draw(4) { 1e6 + $0 },
    ]
  }()
  private static let names = ["amount", "count", "ratio", "offset"]

  private static func buffers(_ names: [String]) -> [Buffer<Double>] {
    names.map { Buffer(columns[$0]!) }
  }

  /// Runs numpy on the columns, which arrive as `x[name]`; returns the printed numbers.
  private static func numpy(_ names: [String], _ script: String) throws -> [Double] {
    let folder = try TemporaryFolder()
    for name in names {
      try columns[name]!.withUnsafeBytes { Data($0) }
        .write(to: URL(fileURLWithPath: folder.path(name)))
    }
    return try Shell.python(
      """
      import sys, numpy as np
      x = {n: np.fromfile(sys.argv[1] + "/" + n) for n in sys.argv[2:]}
      def show(*values):
          for v in values: print(*(repr(float(u)) for u in np.ravel(v)), sep="\\n")

      """ + script, [folder.url.path] + names
    ).split(separator: "\n").map { Double($0)! }
  }

  private static func fit(
    _ names: [String], threads: Int = 3, _ change: (inout TransformConfiguration) -> Void = { _ in }
  ) throws -> (transforms: FittedTransforms, report: TransformReport) {
    var configuration = TransformConfiguration()
    change(&configuration)
    return try FittedTransforms.fit(
      names: names, columns: buffers(names), configuration: configuration,
      workers: Workers(threads: threads))
  }

  private func expectClose(
    _ found: [Double], _ expected: [Double], _ tolerance: Double = 1e-12, _ what: String = ""
  ) {
    #expect(found.count == expected.count)
    for (a, b) in zip(found, expected) {
      #expect(abs(a - b) <= tolerance * max(1, abs(b)), "\(what): \(a), numpy says \(b)")
    }
  }

  // MARK: - Scaling

  @Test func standardIsMeanAndPopulationDeviation() throws {
    let expected = try Self.numpy(Self.names, "for v in x.values(): show(v.mean(), v.std())")
    let found = try Self.fit(Self.names).transforms.features
    expectClose(found.flatMap { [$0.center, $0.scale] }, expected)
  }

  @Test func robustIsMedianAndInterquartileRange() throws {
    let expected = try Self.numpy(
      Self.names, "for v in x.values(): q = np.quantile(v, [.25, .5, .75]); show(q[1], q[2] - q[0])"
    )
    let found = try Self.fit(Self.names) { $0.scaling = .robust }.transforms.features
    #expect(found.flatMap { [$0.center, $0.scale] } == expected)
  }

  /// Half of the values equal leave no interquartile range: the deviation takes its place.
  @Test func robustFallsBackToTheDeviation() throws {
    let values = (0..<1_000).map { $0 < 900 ? 5.0 : Double($0) }
    var configuration = TransformConfiguration()
    configuration.scaling = .robust
    let found = try FittedTransforms.fit(
      names: ["x"], columns: [Buffer(values)], configuration: configuration, workers: oneThread
    ).transforms.features[0]
    let mean = values.reduce(0, +) / 1_000
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1_000).squareRoot()
    #expect(found.center == 5)
    expectClose([found.scale], [deviation])
  }

  @Test func logStandardTakesTheSignedLogarithmFirst() throws {
    let expected = try Self.numpy(
      Self.names,
      "for v in x.values(): l = np.copysign(np.log1p(np.abs(v)), v); show(l.mean(), l.std(), (l[:5] - l.mean()) / l.std())"
    )
    let found = try Self.fit(Self.names) { $0.scaling = .logStandard }.transforms.features
    expectClose(
      zip(found, Self.names).flatMap { transform, name in
        [transform.center, transform.scale] + Self.columns[name]!.prefix(5).map { transform($0) }
      }, expected, 3e-8)  // `offset` spreads over 3e-7 of its logarithm: 9 digits are left
    // And back.
    for (transform, name) in zip(found, Self.names) {
      for value in Self.columns[name]!.prefix(200) {
        expectClose([transform.inverse(transform(value))], [value], 1e-11)
      }
    }
  }

  @Test func unscaledStaysAsItIs() throws {
    let found = try Self.fit(Self.names) { $0.scaling = .none }.transforms.features
    #expect(found.allSatisfy { $0.center == 0 && $0.scale == 1 && !$0.log })
  }

  // MARK: - Missing values, outliers, constants

  @Test func missingValuesAreRejectedWithTheirRow() throws {
    let first = Self.columns["gaps"]!.firstIndex { !$0.isFinite }!
    #expect(throws: TransformError.missingValue(feature: "gaps", row: first)) {
      try Self.fit(["amount", "gaps"])
    }
    #expect(throws: TransformError.wholeColumnMissing(feature: "x")) {
      try FittedTransforms.fit(
        names: ["x"], columns: [Buffer([Double.nan, .infinity])],
        configuration: TransformConfiguration(), workers: oneThread)
    }
    #expect(throws: TransformError.noRows) {
      try FittedTransforms.fit(
        names: ["x"], columns: [Buffer([Double]())], configuration: TransformConfiguration(),
        workers: oneThread)
    }
  }

  @Test func missingValuesBecomeTheMedianOrAConstant() throws {
    let expected = try Self.numpy(
      ["gaps"],
      """
      v = x["gaps"]; known = np.isfinite(v); m = np.median(v[known])
      for fill in (m, -7): f = np.where(known, v, fill); show(fill, f.mean(), f.std(), (~known).sum())
      """)
    var found: [Double] = []
    for missing in [TransformConfiguration.Missing.median, .constant(-7)] {
      let (transforms, report) = try Self.fit(["gaps"]) { $0.missing = missing }
      let transform = transforms.features[0]
      found += [
        transform.fill ?? .nan, transform.center, transform.scale,
        Double(report.filled["gaps"] ?? 0),
      ]
      let filled = ((transform.fill ?? .nan) - transform.center) / transform.scale
      #expect([.nan, .infinity, -.infinity].allSatisfy { transform($0) == filled })
    }
    expectClose(found, expected)
  }

  @Test func winsorizingMovesTheTailsIn() throws {
    let expected = try Self.numpy(
      Self.names,
      """
      for v in x.values():
          l, u = np.quantile(v, [.01, .99]); w = np.clip(v, l, u)
          show(l, u, w.mean(), w.std(), ((v < l) | (v > u)).sum())
      """)
    let (transforms, report) = try Self.fit(Self.names) { $0.winsorize = 0.01 }
    expectClose(
      transforms.features.flatMap {
        [
          $0.lower ?? .nan, $0.upper ?? .nan, $0.center, $0.scale,
          Double(report.winsorized[$0.name] ?? 0),
        ]
      }, expected)
    let transform = transforms.features[0]
    #expect(transform(1e300) == transform(transform.upper ?? .nan))
    // An infinite value is a missing one, not a large one.
    #expect(transform(.infinity).isNaN)
  }

  @Test func constantsAreDropped() throws {
    let n = 20_000
    let varied = Buffer((0..<n).map { Double($0 % 7) })
    let same = Buffer([Double](repeating: 0.1, count: n))
    let (transforms, report) = try FittedTransforms.fit(
      names: ["a", "same", "b"], columns: [varied, same, varied],
      configuration: TransformConfiguration(), workers: threeThreads)
    #expect(transforms.features.map(\.name) == ["a", "b"])
    #expect(report.dropped == ["same"])
    #expect(report.correlated.map { [$0.0, $0.1] } == [["a", "b"]])
    for scaling in TransformConfiguration.Scaling.allCases {
      var configuration = TransformConfiguration()
      configuration.scaling = scaling
      #expect(throws: TransformError.allConstant(["same", "too"])) {
        try FittedTransforms.fit(
          names: ["same", "too"], columns: [same, same], configuration: configuration,
          workers: threeThreads)
      }
    }
  }

  // MARK: - Principal components

  @Test func componentsAgreeWithNumpy() throws {
    let expected = try Self.numpy(
      Self.names,
      """
      z = np.stack([(v - v.mean()) / v.std() for v in x.values()], 1)
      values, vectors = np.linalg.eigh(np.cov(z, rowvar=False, bias=True))
      for axis in (-1, -2, -3):
          v = vectors[:, axis]; v = v * np.sign(v[np.abs(v).argmax()])
          show(values[axis], v, z[:4] @ v)
      """)
    let (transforms, _) = try Self.fit(Self.names) { $0.components = 3 }
    let components = try #require(transforms.components)
    let d = Self.names.count
    var found: [Double] = []
    for axis in 0..<3 {
      found.append(components.variances[axis])
      found += components.axes[axis * d..<(axis + 1) * d]
      for row in 0..<4 {
        let scaled = zip(transforms.features, Self.names).map { $0(Self.columns[$1]![row]) }
        found.append(scaled.withUnsafeBufferPointer { components.project($0, axis: axis) })
      }
    }
    // Near-equal eigenvalues of independent columns turn their axes a little.
    expectClose(found, expected, 1e-7, "components")
    #expect(throws: TransformError.tooManyComponents(asked: 5, features: 4)) {
      try Self.fit(Self.names) { $0.components = 5 }
    }
  }

  // MARK: - Saving and replaying

  @Test(arguments: TransformConfiguration.Scaling.allCases)
  func savedTransformsReplayBitForBit(scaling: TransformConfiguration.Scaling) throws {
    for components in [nil, 2] {
      let names = Self.names + ["gaps"]
      let (fitted, _) = try Self.fit(names) {
        $0.scaling = scaling
        $0.missing = .median
        $0.winsorize = 0.001
        $0.components = components
      }
      let saved = try JSONEncoder().encode(fitted)
      let read = try JSONDecoder().decode(FittedTransforms.self, from: saved)
      #expect(read == fitted)
      // Another table, of another size, on any number of threads.
      let other = Self.buffers(names).map { $0[100..<20_077] }
      let centers = try fitted.centers(of: other, scaling: scaling, workers: threeThreads)
      let expected = try samples(fitted, other, centers, threads: 1)
      for threads in [2, 3, 8] {
        #expect(try samples(read, other, centers, threads: threads) == expected)
      }
      if components == nil {
        // Column-wise loops do what one value after the other does.
        for (index, transform) in fitted.features.enumerated() {
          var target = [Double](repeating: 0, count: other[index].count)
          target.withUnsafeMutableBufferPointer {
            transform.apply(to: other[index].values, into: $0.baseAddress!)
          }
          #expect(
            target.map(\.bitPattern) == array(other[index]).map { transform($0).bitPattern })
        }
      }
    }
  }

  private func samples(
    _ transforms: FittedTransforms, _ columns: [Buffer<Double>], _ centers: [Double], threads: Int
  ) throws -> [UInt32] {
    let matrix = try transforms.samples(
      of: columns, centers: centers, workers: Workers(threads: threads))
    return (0..<matrix.rows).flatMap { row in
      (0..<matrix.columns).map { matrix[row, $0].bitPattern }
    }
  }

  @Test func samplesRefuseMissingValuesWithoutAFill() throws {
    let (fitted, _) = try Self.fit(["amount"]) { $0.winsorize = 0.01 }
    for bad in [Double.nan, .infinity, -.infinity] {
      var values = Array(Self.columns["amount"]!.prefix(9_000))
      values[8_123] = bad
      #expect(throws: TransformError.missingValue(feature: "amount", row: 8_123)) {
        try fitted.samples(of: [Buffer(values)], centers: [0], workers: threeThreads)
      }
    }
  }
}

@Suite struct SignedLogarithmTests {
  private static func ulps(_ a: Double, _ b: Double) -> Int64 {
    abs(Int64(bitPattern: a.bitPattern) - Int64(bitPattern: b.bitPattern))
  }

  /// Within one unit in the last place of the correctly rounded value (mpmath where it is installed,
  /// else the system's `log1p` and `expm1`) over all magnitudes.
  @Test func isWithinOneUlp() throws {
    let random = CounterBasedRandom(seed: 6, purpose: .init("logarithm"))
    let inputs = (0..<50_000).map { index -> Double in
      let exponent = random.unit(at: 2 * index) * 120 - 60
      let spread = index % 10 == 0 ? exponent * 17 : exponent
      return (1 + random.unit(at: 2 * index + 1)) * exp2(spread.rounded())
    }
    let exponents = inputs.map { $0 > 700 ? $0.truncatingRemainder(dividingBy: 700) : $0 }
    let folder = try TemporaryFolder()
    for (name, values) in [("x", inputs), ("y", exponents)] {
      try values.withUnsafeBytes { Data($0) }
        .write(to: URL(fileURLWithPath: folder.path(name)))
    }
    try Shell.python(
      """
      import sys, math, array
      try:
          import mpmath; mpmath.mp.prec = 200
          log1p = lambda v: float(mpmath.log1p(mpmath.mpf(v)))
          expm1 = lambda v: float(mpmath.expm1(mpmath.mpf(v)))
      except ImportError:
          log1p, expm1 = math.log1p, math.expm1
      for name, f in (("x", log1p), ("y", expm1)):
          values = array.array("d", open(f"{sys.argv[1]}/{name}", "rb").read())
          open(f"{sys.argv[1]}/{name}.out", "wb").write(array.array("d", map(f, values)).tobytes())
      """, [folder.url.path])
    func expected(_ name: String) throws -> [Double] {
      try Data(contentsOf: URL(fileURLWithPath: folder.path(name))).withUnsafeBytes {
        Array($0.bindMemory(to: Double.self))
      }
    }
    let logarithms = try expected("x.out")
    #expect(zip(inputs, logarithms).allSatisfy { Self.ulps(SignedLogarithm.value($0), $1) <= 1 })
    let powers = try expected("y.out")
    #expect(zip(exponents, powers).allSatisfy { Self.ulps(SignedLogarithm.inverse($0), $1) <= 1 })

    // Every instruction set, lanes and signs: the same bits.
    for level in Int32(0)...KernelSet.strictLevel {
      for count in [0, 1, 7, 8, 9, inputs.count] {
        var values = inputs.prefix(count).enumerated().map { $0 % 3 == 0 ? -$1 : $1 }
        let expected = values.map { SignedLogarithm.value($0).bitPattern }
        values.withUnsafeMutableBufferPointer { SignedLogarithm.apply(to: $0, level: level) }
        #expect(values.map(\.bitPattern) == expected, "level \(level)")
      }
    }
    #expect(inputs.allSatisfy { SignedLogarithm.value(-$0) == -SignedLogarithm.value($0) })
  }

  @Test func edges() {
    for value in [0.0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude] {
      #expect(SignedLogarithm.value(value).bitPattern == value.bitPattern)
      #expect(SignedLogarithm.inverse(value) == value)
      var eight = [Double](repeating: value, count: 8)
      eight.withUnsafeMutableBufferPointer { SignedLogarithm.apply(to: $0) }
      #expect(eight[3].bitPattern == value.bitPattern)
    }
    #expect(SignedLogarithm.value(.nan).isNaN && SignedLogarithm.inverse(.nan).isNaN)
    #expect(
      SignedLogarithm.inverse(710) == .infinity && SignedLogarithm.inverse(-710) == -.infinity)
    #expect(Self.ulps(SignedLogarithm.value(.greatestFiniteMagnitude), 709.782712893384) <= 1)
  }
}
