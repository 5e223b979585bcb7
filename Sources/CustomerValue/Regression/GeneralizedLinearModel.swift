import COpenBLAS
import Columnar
import Kernels
import Sharding

/// Samples of a regression: n × d, row-major, without the column of ones.
package struct DesignMatrix: Sendable {
  package let names: [String]
  package let rows: Int
  package let values: Buffer<Double>
  package var columns: Int { names.count }

  package init(names: [String], rows: Int, values: Buffer<Double>) {
    precondition(values.count == rows * names.count)
    (self.names, self.rows, self.values) = (names, rows, values)
  }
}

/// A regression of y on standardised features: ridge (y any number), Poisson (y ≥ 0, counts or
/// amounts), logistic (y is 0 or 1).
///
/// Fitted by the normal equations, which Poisson and logistic iterate (Newton, that is iteratively
/// reweighted least squares): each step is one `dsyrk` a shard over samples weighted by √w. A small
/// ridge, a hundredth of a row's weight, keeps collinear features and separated classes finite.
///
/// Source: McCullagh & Nelder, Generalized Linear Models, 2nd ed., 2.5.
package struct GeneralizedLinearModel: Sendable, Codable, Equatable {
  package enum Family: String, Sendable, Codable {
    case gaussian, poisson, binomial
  }

  package let family: Family
  package let names: [String]
  /// What each feature is less of, and divided by; 1 for a constant one.
  package let centers: [Double]
  package let scales: [Double]
  /// Of the standardised features.
  package let coefficients: [Double]
  package let intercept: Double
  /// Of the coefficients, then of the intercept; scaled by the dispersion, so they hold where counts
  /// vary more than Poisson's.
  package let standardErrors: [Double]
  package let iterations: Int
  package let converged: Bool
  /// Predictions do not leave the range of the training data by more than this factor.
  package let ceiling: Double

  /// - Parameters:
  ///   - weights: 0 leaves a row out; nil counts each once.
  /// - Complexity: O(n d²) an iteration, about 8 of them; a standardised copy of the samples.
  package init(
    _ family: Family, _ samples: DesignMatrix, target: Buffer<Double>,
    weights: Buffer<Double>? = nil,
    workers: Workers
  ) throws {
    precondition(target.count == samples.rows)
    let d = samples.columns
    let moments = try Moments(samples, target, weights, workers)
    let fit = try Newton(
      family: family, samples: samples, target: target, weights: weights,
      centers: moments.centers, scales: moments.scales,
      penalty: 1e-2 * moments.weight + 1e-9, workers: workers)
    var beta = [Double](repeating: 0, count: d + 1)
    beta[d] = family.link(moments.meanTarget)
    var now = try fit.step(at: beta)
    var iterations = 0
    var converged = false
    while iterations < 50, let direction = Cholesky(now.information, d + 1)?.solve(now.gradient) {
      iterations += 1
      var share = 1.0
      var accepted: Newton.State?
      var next = beta
      for _ in 0..<30 {
        next = zip(beta, direction).map { $0 + share * $1 }
        let there = try fit.step(at: next)
        if there.objective <= now.objective + 1e-12 * abs(now.objective) {
          accepted = there
          break
        }
        share /= 2
      }
      guard let accepted else { break }
      let gain = now.objective - accepted.objective
      (beta, now) = (next, accepted)
      if family == .gaussian || gain <= 1e-10 * (abs(now.objective) + 1) {
        converged = true
        break
      }
    }
    self.family = family
    names = samples.names
    centers = moments.centers
    scales = moments.scales
    coefficients = Array(beta.prefix(d))
    intercept = beta[d]
    let free = max(moments.weight - Double(d) - 1, 1)
    let dispersion = family == .binomial ? 1 : now.pearson / free
    standardErrors =
      Cholesky(now.information, d + 1)?.inverseDiagonal.map { ($0 * dispersion).squareRoot() } ?? []
    self.iterations = iterations
    self.converged = converged
    ceiling = family == .binomial ? 1 : 2 * moments.greatestTarget
  }

  /// E[y] of one row of features, in their units.
  @inline(__always)
  package func predict(_ row: UnsafePointer<Double>) -> Double {
    let linear = linearPredictor(row)
    switch family {
    case .gaussian: return min(max(linear, 0), ceiling)
    case .poisson: return min(SpecialFunctions.exp(min(linear, 700)), ceiling)
    case .binomial: return SpecialFunctions.logistic(linear)
    }
  }

  @inline(__always)
  package func linearPredictor(_ row: UnsafePointer<Double>) -> Double {
    var linear = intercept
    coefficients.withUnsafeBufferPointer { coefficients in
      centers.withUnsafeBufferPointer { centers in
        scales.withUnsafeBufferPointer { scales in
          for j in 0..<coefficients.count {
            linear += coefficients[j] * ((row[j] - centers[j]) / scales[j])
          }
        }
      }
    }
    return linear
  }

  /// What a feature adds to the linear predictor, against its mean.
  @inline(__always)
  package func move(_ feature: Int, _ row: UnsafePointer<Double>) -> Double {
    coefficients[feature] * ((row[feature] - centers[feature]) / scales[feature])
  }

  package func predictions(_ samples: DesignMatrix, workers: Workers) throws -> [Double] {
    precondition(samples.names == names, "the features of the fit")
    let shards = Shards(rows: samples.rows, rowsPerShard: 1 << 12)
    return try workers.map(shards.count) { shard in
      withExtendedLifetime(samples) {
        shards[shard].map { predict(samples.values.base + $0 * samples.columns) }
      }
    }.flatMap { $0 }
  }
}

extension GeneralizedLinearModel.Family {
  /// The intercept that predicts `mean` everywhere.
  func link(_ mean: Double) -> Double {
    switch self {
    case .gaussian: mean
    case .poisson: SpecialFunctions.log(max(mean, 1e-12))
    case .binomial:
      SpecialFunctions.log(max(mean, 1e-6) / max(1 - mean, 1e-6))
    }
  }
}

/// Weighted means and standard deviations.
private struct Moments {
  let centers: [Double]
  let scales: [Double]
  let weight: Double
  let meanTarget: Double
  let greatestTarget: Double

  init(
    _ samples: DesignMatrix, _ target: Buffer<Double>, _ weights: Buffer<Double>?,
    _ workers: Workers
  ) throws {
    let d = samples.columns
    let shards = Shards(rows: samples.rows, rowsPerShard: 1 << 14)
    let sums = try workers.map(shards.count) { shard -> [Double] in
      var sums = [Double](repeating: 0, count: d + 3)
      withExtendedLifetime((samples, target, weights)) {
        sums.withUnsafeMutableBufferPointer { sums in
          for row in shards[shard] {
            let w = weights?.base[row] ?? 1
            if w == 0 { continue }
            let (x, y) = (samples.values.base + row * d, target.base[row])
            for j in 0..<d { sums[j] += w * x[j] }
            sums[d] += w
            sums[d + 1] += w * y
            sums[d + 2] = max(sums[d + 2], y)
          }
        }
      }
      return sums
    }
    var total = [Double](repeating: 0, count: d + 3)
    for part in sums {
      for j in 0..<d + 2 { total[j] += part[j] }
      total[d + 2] = max(total[d + 2], part[d + 2])
    }
    let weight = max(total[d], 1e-300)
    let means = (0..<d).map { total[$0] / weight }
    let squares = try workers.map(shards.count) { shard -> [Double] in
      var squares = [Double](repeating: 0, count: d)
      withExtendedLifetime((samples, weights)) {
        squares.withUnsafeMutableBufferPointer { squares in
          means.withUnsafeBufferPointer { means in
            for row in shards[shard] {
              let w = weights?.base[row] ?? 1
              if w == 0 { continue }
              let x = samples.values.base + row * d
              for j in 0..<d { squares[j] += w * (x[j] - means[j]) * (x[j] - means[j]) }
            }
          }
        }
      }
      return squares
    }
    scales = (0..<d).map { j in
      let deviation = (squares.reduce(0) { $0 + $1[j] } / weight).squareRoot()
      return deviation > 1e-12 * max(abs(means[j]), 1) ? deviation : 1
    }
    centers = means
    self.weight = total[d]
    meanTarget = total[d + 1] / weight
    greatestTarget = total[d + 2]
  }
}

/// One evaluation of a penalised log-likelihood with gradient and expected information.
private struct Newton {
  let family: GeneralizedLinearModel.Family
  let target: Buffer<Double>
  let weights: Buffer<Double>?
  let penalty: Double
  let workers: Workers
  /// n × (d + 1): standardised once for all steps, ones last.
  private let samples: Buffer<Double>
  private let size: Int

  struct State: Sendable {
    /// Minus the log-likelihood up to a constant, plus the ridge.
    var objective = 0.0
    var gradient: [Double]
    /// (d + 1)², both triangles.
    var information: [Double]
    var pearson = 0.0

    init(_ size: Int) {
      gradient = [Double](repeating: 0, count: size)
      information = [Double](repeating: 0, count: size * size)
    }
  }

  private static let rowsPerShard = 1 << 10

  init(
    family: GeneralizedLinearModel.Family, samples: DesignMatrix, target: Buffer<Double>,
    weights: Buffer<Double>?, centers: [Double], scales: [Double], penalty: Double,
    workers: Workers
  ) throws {
    self.family = family
    self.target = target
    self.weights = weights
    self.penalty = penalty
    self.workers = workers
    let d = samples.columns
    size = d + 1
    let shards = Shards(rows: samples.rows, rowsPerShard: 1 << 12)
    let inverses = scales.map { 1 / $0 }
    let (buffer, storage) = Buffer<Double>.uninitialized(count: samples.rows * (d + 1))
    nonisolated(unsafe) let rows = storage
    try workers.forEach(shards.count) { shard in
      withExtendedLifetime(samples) {
        centers.withUnsafeBufferPointer { centers in
          inverses.withUnsafeBufferPointer { inverses in
            for row in shards[shard] {
              let x = samples.values.base + row * d
              let z = rows.baseAddress! + row * (d + 1)
              for j in 0..<d { z[j] = (x[j] - centers[j]) * inverses[j] }
              z[d] = 1
            }
          }
        }
      }
    }
    self.samples = buffer
  }

  func step(at beta: [Double]) throws -> State {
    _ = KernelSet.singleThreadedBLAS
    let shards = Shards(rows: target.count, rowsPerShard: Self.rowsPerShard)
    let parts = try workers.map(shards.count) { accumulate(shards[$0], beta) }
    var sum = State(size)
    for part in parts {
      sum.objective += part.objective
      sum.pearson += part.pearson
      for i in 0..<size { sum.gradient[i] += part.gradient[i] }
      for i in 0..<size * size { sum.information[i] += part.information[i] }
    }
    for i in 0..<size {
      for j in 0..<i { sum.information[i * size + j] = sum.information[j * size + i] }
    }
    // The intercept is not penalised.
    for i in 0..<size - 1 {
      sum.objective += 0.5 * penalty * beta[i] * beta[i]
      sum.gradient[i] -= penalty * beta[i]
      sum.information[i * size + i] += penalty
    }
    return sum
  }

  /// Three products over the shard's rows: Zβ, Zᵀ residuals, Zᵀ W Z.
  private func accumulate(_ rows: Range<Int>, _ beta: [Double]) -> State {
    var state = State(size)
    let (count, width) = (Int32(rows.count), Int32(size))
    withExtendedLifetime((samples, target, weights)) {
      withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count * (size + 2)) { memory in
        let linear = memory.baseAddress!
        let residuals = linear + rows.count
        let weighted = residuals + rows.count
        let z = samples.base + rows.lowerBound * size
        cblas_dgemv(
          CblasRowMajor, CblasNoTrans, count, width, 1, z, width, beta, 1, 0, linear, 1)
        for place in 0..<rows.count {
          let index = rows.lowerBound + place
          let share = weights?.base[index] ?? 1
          let term = share == 0 ? SIMD2() : term(linear[place], target.base[index], share, &state)
          residuals[place] = term.x
          let root = term.y
          for j in 0..<size { weighted[place * size + j] = root * z[place * size + j] }
        }
        cblas_dgemv(
          CblasRowMajor, CblasTrans, count, width, 1, z, width, residuals, 1, 0, &state.gradient,
          1)
        cblas_dsyrk(
          CblasRowMajor, CblasUpper, CblasTrans, width, count, 1, weighted, width, 0,
          &state.information, width)
      }
    }
    return state
  }

  /// Adds a row to the sums; its weighted residual, and the root of its weight in the information.
  @inline(__always)
  private func term(
    _ linear: Double, _ y: Double, _ share: Double, _ state: inout State
  ) -> SIMD2<Double> {
    var (mean, variance) = (linear, 1.0)
    switch family {
    case .gaussian:
      state.objective += share * 0.5 * (y - mean) * (y - mean)
    case .poisson:
      mean = SpecialFunctions.exp(min(linear, 100))
      variance = mean
      state.objective += share * (mean - y * min(linear, 100))
    case .binomial:
      mean = SpecialFunctions.logistic(linear)
      variance = max(mean * (1 - mean), 1e-12)
      state.objective += share * (SpecialFunctions.softplus(linear) - y * linear)
    }
    let residual = y - mean
    state.pearson += share * residual * residual / max(variance, 1e-300)
    return SIMD2(share * residual, (share * variance).squareRoot())
  }
}
