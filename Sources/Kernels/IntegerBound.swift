import CKernels

/// Centroids in 16-bit integers, and how far apart two integer scores must be for their order to be
/// that of the Double distances.
///
/// With scales r for centroids and s for the points of a tile, let C = round(rc), X = round(sx) and
/// T = round(sr·½‖c‖²) − X·C, which approximates sr·t of ``RoundingBound``'s score t = ½‖c‖² − x·c.
/// Products and sums of integers are exact, so only the roundings count. Let e = X − sx and f = C − rc:
///
///     X·C − sr x·c = e·C + s x·f,   |X·C − sr x·c| ≤ ‖e‖‖C‖ + sρ‖f‖   (Cauchy and Schwarz, ρ ≥ ‖x‖).
///
/// |eᵢ| ≤ 0.501: half for rounding to an integer, 2⁻¹⁰ for the rounding of the Float product s·xᵢ
/// below 2¹⁵. max ‖C‖ and F = max ‖f‖ are taken in Double when the centroids are packed. ½‖c‖² and sr
/// are rounded to Float, so is their product, which is below 2³⁰, and then it is rounded to an integer:
/// together at most 200. The lowest b bits of a score make room for the label: at most 2ᵇ. So
///
///     |T − sr t| ≤ E = 0.501 √d max ‖C‖ + sρF + 200 + 2ᵇ.
///
/// If the runner-up's score exceeds the best by more than
///
///     B = 2E + sr (d + 3)(2⁻⁵¹(ρ + M)² + 2⁻¹²⁵),   M = max ‖c‖,
///
/// no other centroid is as near by the definition (the second term is its own arithmetic's error, as in
/// ``RoundingBound``), and the label is its label. All other points are scored in Float and, within
/// that bound, decided in Double. (1 % is added for the bound's own roundings.)
///
/// r = 28000/M and s = min(32000/ρ, 1.04·10⁹/(rM(½M + ρ))) keep features within 16 bits and
/// |T| ≤ sr(½M² + ρM) + E below 2³⁰ − 2²⁴. B is about 2⁻¹² of the largest score. One far centroid would
/// cost all others their digits: where M is more than 4 times the mean norm, Float does all.
struct IntegerCentroids {
  /// As `tranche_integers` describes them, of as many words as the centroids have pairs of features.
  let packed: UnsafeMutablePointer<Int32>
  let labels: UnsafeMutablePointer<Int32>
  private let labelBits: Int
  private let scale: Double
  private let slack: Double
  private let error: Double

  /// - Parameters:
  ///   - centroids: k × d, row-major.
  ///   - groups: How many centroids lie side by side, group by group.
  /// - Returns: Nil where the centroids do not suit integers.
  init?(_ centroids: [Double], columns d: Int, groups: [Int], largestNorm: Double, meanNorm: Double)
  {
    let k = centroids.count / d
    guard d <= Int(TRANCHE_INTEGER_COLUMNS), k <= Int(TRANCHE_INTEGER_CLUSTERS),
      largestNorm >= 1e-10, largestNorm <= 4 * meanNorm
    else { return nil }
    let scale = 28000 / largestNorm
    let pairs = (d + 1) / 2
    packed = .allocate(capacity: k * pairs)
    labels = .allocate(capacity: k)
    var largest = 0.0
    var error = 0.0
    var label = 0
    var at = 0
    for width in groups {
      for member in 0..<width {
        var square = 0.0
        var lost = 0.0
        for pair in 0..<pairs {
          var word: UInt32 = 0
          for half in 0..<min(2, d - 2 * pair) {
            let exact = -centroids[label * d + 2 * pair + half] * scale
            let rounded = exact.rounded()
            square += rounded * rounded
            lost += (rounded - exact) * (rounded - exact)
            word |= UInt32(UInt16(bitPattern: Int16(rounded))) << UInt32(16 * half)
          }
          packed[at + pair * width + member] = Int32(bitPattern: word)
        }
        largest = max(largest, square)
        error = max(error, lost)
        labels[label] = Int32(label)
        label += 1
      }
      at += width * pairs
    }
    labelBits = Int.bitWidth - (k - 1).leadingZeroBitCount
    self.scale = scale
    slack =
      0.501 * Double(d).squareRoot() * largest.squareRoot() + 200
      + Double(1 << labelBits)
    self.error = error.squareRoot()
  }

  var layout: tranche_integers {
    tranche_integers(
      packed: packed, labels: labels, label_bits: Int32(labelBits), scale: scale, slack: slack,
      error: error)
  }

  func deallocate() {
    packed.deallocate()
    labels.deallocate()
  }
}
