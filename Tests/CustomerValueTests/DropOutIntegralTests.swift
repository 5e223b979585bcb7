import Foundation
import Kernels
import Testing

@testable import CustomerValue

/// The vector quadrature of Pareto/NBD's drop-out against plain sums, on every instruction set.
@Suite struct DropOutIntegralTests {
  private static let levels: [Int32] = [0, 2, 3].filter { $0 <= KernelSet.strictLevel }

  private static let corners: [StrictLoops.DropOutPanels] = {
    var corners: [StrictLoops.DropOutPanels] = []
    for (near, far) in [(-0.4, 1.6), (0.6, 0.55), (1_500, 3), (2, 1_499), (0, 1), (-0.999, 1.001)] {
      for (base, gap) in [(1e-3, 400), (5, 0), (40, 3), (11, 1e6)] {
        for (half, panels) in [(1e-7, 1), (0.3, 1), (0.002, 40), (0.75, 12)] {
          corners.append(
            StrictLoops.DropOutPanels(
              base: base, gap: gap, near: near, far: far, half: half, log_near: 0.7, log_far: 0.2,
              panels: Int64(panels)))
        }
      }
    }
    return corners
  }()

  @Test func everyInstructionSetGivesTheSameBits() {
    for panels in Self.corners {
      var known: [UInt64]?
      for level in Self.levels {
        var sums = [Double](repeating: 0, count: 15)
        StrictLoops.dropOut(panels, moments: &sums, level: level)
        let bits = sums.map(\.bitPattern)
        #expect(known == nil || known == bits, "level \(level), \(panels)")
        known = bits
        #expect(StrictLoops.dropOut(panels, level: level).bitPattern == bits[0])
      }
    }
  }

  /// 15 sums by the C library's functions, node by node, and those of the terms' sizes.
  private static func reference(
    _ p: StrictLoops.DropOutPanels
  ) -> (sums: [Double], sizes: [Double]) {
    let nodes = [
      0.0950125098376374402, 0.281603550779258913, 0.458016777657227386, 0.617876244402643748,
      0.755404408355003034, 0.865631202387831744, 0.944575023073232576, 0.989400934991649933,
    ]
    let weights = [
      0.189450610455068496, 0.182603415044923589, 0.169156519395002538, 0.149595988816576732,
      0.124628971255533872, 0.0951585116824927848, 0.0622535239386478929, 0.0271524594117540949,
    ]
    var sums = [Double](repeating: 0, count: 15)
    var sizes = sums
    func add(_ index: Int, _ term: Double) {
      sums[index] += term
      sizes[index] += abs(term)
    }
    for panel in 0..<Int(p.panels) {
      for side in [-1.0, 1] {
        for (node, weight) in zip(nodes, weights) {
          let w = (2 * Double(panel) + 1) * p.half + side * p.half * node
          let grown = p.base * exp(w)
          let other = log1p(p.base * expm1(w) / (p.base + p.gap))
          let density = weight * exp(-p.near * w - p.far * other)
          let values = [w - p.log_near, other - p.log_far, 1 / grown, 1 / (grown + p.gap)]
          add(0, density)
          var at = 5
          for i in 0..<4 {
            add(1 + i, density * values[i])
            for j in i..<4 {
              add(at, density * values[i] * values[j])
              at += 1
            }
          }
        }
      }
    }
    return (sums, sizes)
  }

  @Test func agreesWithPlainSums() {
    for panels in Self.corners {
      var sums = [Double](repeating: 0, count: 15)
      StrictLoops.dropOut(panels, moments: &sums)
      let (expected, sizes) = Self.reference(panels)
      // Logarithms are right to 2e-16 of 1; the powers multiply that. Terms may cancel: an error is
      // one of their sizes.
      let tolerance = 1e-14 + 4e-16 * (abs(panels.near) + abs(panels.far))
      for index in sums.indices {
        #expect(
          abs(sums[index] - expected[index]) <= tolerance * sizes[index],
          "sum \(index): \(sums[index]) against \(expected[index]), \(panels)")
      }
    }
  }
}
