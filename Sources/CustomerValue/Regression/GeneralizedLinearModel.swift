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
  /// - Complexity: O(n d²) an iteration, about 8 of them; scratch 8 KiB × d a thread.
  package init(
    _ family: Family, _ samples: DesignMatrix, target: Buffer<Double>,
    weights: Buffer<Double>? = nil,
    workers: Workers
  ) throws {
    precondition(target.count == samples.rows)
    let d = samples.columns
    let moments = try Moments(samples, target, weights, workers)
    let fit = Newton(
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
    for j in 0..<coefficients.count {
      linear += coefficients[j] * ((row[j] - centers[j]) / scales[j])
    }
    return linear
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
      for row in shards[shard] {
        let w = weights?[row] ?? 1
        if w == 0 { continue }
        let x = samples.values.base + row * d
        for j in 0..<d { sums[j] += w * x[j] }
        sums[d] += w
        sums[d + 1] += w * target[row]
        sums[d + 2] = max(sums[d + 2], target[row])
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
      for row in shards[shard] {
        let w = weights?[row] ?? 1
        if w == 0 { continue }
        let x = samples.values.base + row * d
        for j in 0..<d { squares[j] += w * (x[j] - means[j]) * (x[j] - means[j]) }
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
  let samples: DesignMatrix
  let target: Buffer<Double>
  let weights: Buffer<Double>?
  let centers: [Double]
  let scales: [Double]
  let penalty: Double
  let workers: Workers

  struct State: Sendable {
    /// Minus the log-likelihood up to a constant, plus the ridge.
    var objective = 0.0
    var gradient: [Double]
    /// (d + 1)², both triangles.
    var information: [Double]
    var pearson = 0.0
  }

  private static let rowsPerShard = 1 << 10

  func step(at beta: [Double]) throws -> State {
    _ = KernelSet.singleThreadedBLAS
    let d = samples.columns
    let shards = Shards(rows: samples.rows, rowsPerShard: Self.rowsPerShard)
    let parts = try workers.map(shards.count) { accumulate(shards[$0], beta) }
    let size = d + 1
    var sum = State(
      gradient: [Double](repeating: 0, count: size),
      information: [Double](repeating: 0, count: size * size))
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
    for i in 0..<d {
      sum.objective += 0.5 * penalty * beta[i] * beta[i]
      sum.gradient[i] -= penalty * beta[i]
      sum.information[i * size + i] += penalty
    }
    return sum
  }

  private func accumulate(_ rows: Range<Int>, _ beta: [Double]) -> State {
    let d = samples.columns
    let size = d + 1
    var state = State(
      gradient: [Double](repeating: 0, count: size),
      information: [Double](repeating: 0, count: size * size))
    // Standardised rows times √w.
    var weighted = [Double](repeating: 0, count: rows.count * size)
    var row = [Double](repeating: 1, count: size)
    withExtendedLifetime((samples, target, weights)) {
      for (place, index) in rows.enumerated() {
        let count = weights?.base[index] ?? 1
        if count == 0 { continue }
        let x = samples.values.base + index * d
        var linear = beta[d]
        for j in 0..<d {
          row[j] = (x[j] - centers[j]) / scales[j]
          linear += beta[j] * row[j]
        }
        let y = target.base[index]
        var (mean, variance) = (linear, 1.0)
        switch family {
        case .gaussian:
          state.objective += count * 0.5 * (y - mean) * (y - mean)
        case .poisson:
          mean = SpecialFunctions.exp(min(linear, 100))
          variance = mean
          state.objective += count * (mean - y * min(linear, 100))
        case .binomial:
          mean = SpecialFunctions.logistic(linear)
          variance = max(mean * (1 - mean), 1e-12)
          state.objective += count * (SpecialFunctions.softplus(linear) - y * linear)
        }
        let residual = y - mean
        state.pearson += count * residual * residual / max(variance, 1e-300)
        let root = (count * variance).squareRoot()
        for j in 0..<size {
          state.gradient[j] += count * residual * row[j]
          weighted[place * size + j] = root * row[j]
        }
      }
    }
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, Int32(size), Int32(rows.count), 1, weighted,
      Int32(size), 0, &state.information, Int32(size))
    return state
  }
}
