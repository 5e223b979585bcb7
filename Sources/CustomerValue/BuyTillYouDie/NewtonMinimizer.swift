/// Value, gradient and Hessian of a function of a few variables.
struct Derivatives: Sendable {
  let dimension: Int
  var value = 0.0
  var gradient: [Double]
  /// dimension × dimension, row by row, both triangles.
  var hessian: [Double]

  init(dimension: Int) {
    self.dimension = dimension
    gradient = [Double](repeating: 0, count: dimension)
    hessian = [Double](repeating: 0, count: dimension * dimension)
  }

  static func += (sum: inout Derivatives, term: Derivatives) {
    sum.value += term.value
    for i in sum.gradient.indices { sum.gradient[i] += term.gradient[i] }
    for i in sum.hessian.indices { sum.hessian[i] += term.hessian[i] }
  }

  /// The same function of θ = ln x, times `scale`, from derivatives in x.
  func inLogarithms(of x: [Double], scale: Double) -> Derivatives {
    var result = self
    result.value *= scale
    for i in 0..<dimension {
      result.gradient[i] = scale * gradient[i] * x[i]
      for j in 0..<dimension {
        let curvature = hessian[i * dimension + j] * x[i] * x[j]
        result.hessian[i * dimension + j] = scale * (curvature + (i == j ? gradient[i] * x[i] : 0))
      }
    }
    return result
  }
}

/// Newton's method in a box, damped by Levenberg's shift: from any start it ends at a stationary
/// point or on the box's face, and near one it doubles its digits each step.
///
/// Source: Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 4.1 and 16.5.
struct NewtonMinimizer {
  var lower: [Double]
  var upper: [Double]
  var gradientTolerance = 1e-11
  var iterationLimit = 200
  /// Longest step in any variable.
  var longestStep = 2.0

  struct Minimum {
    var point: [Double]
    var derivatives: Derivatives
    /// Largest |gradient| over the variables that are not held by the box.
    var gradientNorm: Double
    var iterations: Int
    var converged: Bool
  }

  func minimize(
    from start: [Double], _ function: ([Double]) throws -> Derivatives
  ) rethrows -> Minimum {
    let dimension = start.count
    var point = (0..<dimension).map { min(max(start[$0], lower[$0]), upper[$0]) }
    var now = try function(point)
    var shift = 0.0
    for iteration in 0..<iterationLimit {
      let free = freeVariables(point, now.gradient)
      let norm = free.reduce(0) { max($0, abs(now.gradient[$1])) }
      if norm <= gradientTolerance {
        return Minimum(
          point: point, derivatives: now, gradientNorm: norm, iterations: iteration, converged: true
        )
      }
      var moved = false
      for _ in 0..<60 {
        guard let step = step(now, free, shift: shift) else {
          shift = raised(shift, now, free)
          continue
        }
        let next = (0..<dimension).map { min(max(point[$0] + step[$0], lower[$0]), upper[$0]) }
        let there = try function(next)
        let gain = now.value - there.value
        let promised = promisedGain(now, from: point, to: next)
        // Near the minimum the gain drowns in rounding; a smaller gradient then tells.
        let noise = 4e-15 * max(1, abs(now.value))
        let thereNorm = freeVariables(next, there.gradient).reduce(0) {
          max($0, abs(there.gradient[$1]))
        }
        if gain > 0.1 * promised && gain > noise || abs(gain) <= noise && thereNorm < norm {
          shift = gain > 0.75 * promised || abs(gain) <= noise ? shift / 10 : shift
          if shift < 1e-12 { shift = 0 }
          (point, now, moved) = (next, there, true)
          break
        }
        if abs(promised) <= noise && norm <= 1e-6 { break }
        shift = raised(shift, now, free)
      }
      if !moved {
        return Minimum(
          point: point, derivatives: now, gradientNorm: norm, iterations: iteration,
          converged: norm <= 1e-6)
      }
    }
    let norm = freeVariables(point, now.gradient).reduce(0) { max($0, abs(now.gradient[$1])) }
    return Minimum(
      point: point, derivatives: now, gradientNorm: norm, iterations: iterationLimit,
      converged: false)
  }

  /// Variables the box does not hold against the gradient.
  private func freeVariables(_ point: [Double], _ gradient: [Double]) -> [Int] {
    point.indices.filter {
      !(point[$0] <= lower[$0] && gradient[$0] > 0)
        && !(point[$0] >= upper[$0] && gradient[$0] < 0)
    }
  }

  private func raised(_ shift: Double, _ at: Derivatives, _ free: [Int]) -> Double {
    let largest = free.reduce(1e-12) { max($0, abs(at.hessian[$1 * at.dimension + $1])) }
    return max(shift * 10, 1e-4 * largest)
  }

  private func promisedGain(_ at: Derivatives, from: [Double], to: [Double]) -> Double {
    let dimension = at.dimension
    var change = 0.0
    for i in 0..<dimension {
      let step = to[i] - from[i]
      change += at.gradient[i] * step
      for j in 0..<dimension {
        change += 0.5 * at.hessian[i * dimension + j] * step * (to[j] - from[j])
      }
    }
    return -change
  }

  /// −(H + shift)⁻¹ g over the free variables, cut to the longest step; `nil` where H + shift is
  /// not positive definite.
  private func step(_ at: Derivatives, _ free: [Int], shift: Double) -> [Double]? {
    let size = free.count
    var matrix = [Double](repeating: 0, count: size * size)
    for (i, from) in free.enumerated() {
      for (j, to) in free.enumerated() {
        matrix[i * size + j] = at.hessian[from * at.dimension + to]
      }
      matrix[i * size + i] += shift
    }
    guard let factor = Cholesky(matrix, size) else { return nil }
    let solution = factor.solve(free.map { -at.gradient[$0] })
    let longest = solution.reduce(0) { max($0, abs($1)) }
    let cut = longest > longestStep ? longestStep / longest : 1
    var step = [Double](repeating: 0, count: at.dimension)
    for (i, variable) in free.enumerated() { step[variable] = solution[i] * cut }
    return step
  }
}

/// A = L Lᵀ of a small symmetric matrix.
struct Cholesky {
  private var factor: [Double]
  private let size: Int

  /// `nil` unless the matrix is positive definite with digits to spare.
  init?(_ matrix: [Double], _ size: Int) {
    self.size = size
    factor = matrix
    for j in 0..<size {
      var pivot = matrix[j * size + j]
      let scale = abs(pivot)
      for k in 0..<j { pivot -= factor[j * size + k] * factor[j * size + k] }
      guard pivot > 1e-14 * scale, pivot.isFinite else { return nil }
      let root = pivot.squareRoot()
      factor[j * size + j] = root
      for i in j + 1..<max(size, j + 1) {
        var value = matrix[i * size + j]
        for k in 0..<j { value -= factor[i * size + k] * factor[j * size + k] }
        factor[i * size + j] = value / root
      }
    }
  }

  func solve(_ right: [Double]) -> [Double] {
    var x = right
    for i in 0..<size {
      for k in 0..<i { x[i] -= factor[i * size + k] * x[k] }
      x[i] /= factor[i * size + i]
    }
    for i in (0..<size).reversed() {
      for k in i + 1..<max(size, i + 1) { x[i] -= factor[k * size + i] * x[k] }
      x[i] /= factor[i * size + i]
    }
    return x
  }

  /// The diagonal of A⁻¹.
  var inverseDiagonal: [Double] {
    (0..<size).map { i in
      var unit = [Double](repeating: 0, count: size)
      unit[i] = 1
      return solve(unit)[i]
    }
  }
}

/// Largest over smallest eigenvalue of a small symmetric matrix by Jacobi rotations, `nil` unless
/// positive definite.
func conditionNumber(_ matrix: [Double], _ size: Int) -> Double? {
  var a = matrix
  for _ in 0..<50 {
    for p in 0..<size {
      for q in p + 1..<max(size, p + 1) where a[p * size + q] != 0 {
        let theta = (a[q * size + q] - a[p * size + p]) / (2 * a[p * size + q])
        let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot()
        let s = t * c
        for k in 0..<size {
          let (x, y) = (a[k * size + p], a[k * size + q])
          (a[k * size + p], a[k * size + q]) = (c * x - s * y, s * x + c * y)
        }
        for k in 0..<size {
          let (x, y) = (a[p * size + k], a[q * size + k])
          (a[p * size + k], a[q * size + k]) = (c * x - s * y, s * x + c * y)
        }
      }
    }
  }
  let eigenvalues = (0..<size).map { a[$0 * size + $0] }
  guard let smallest = eigenvalues.min(), let largest = eigenvalues.max(), smallest > 0 else {
    return nil
  }
  return largest / smallest
}
