import COpenBLAS
import Columnar
import Foundation
import Sharding

/// `doctor`: is this machine fit for a run?
public struct DoctorRun: Sendable {
  /// Where outputs and temporary files would go.
  public var folder: String

  public init(folder: String = ".") { self.folder = folder }

  /// `tranche.doctor.v1`.
  public struct Result: Encodable, Sendable {
    public struct Check: Encodable, Sendable {
      public var name: String
      public var ok: Bool
      public var finding: String
    }
    public var schema = "tranche.doctor.v1"
    public var healthy: Bool
    public var checks: [Check]
    public var versions: [String: String]
  }

  public func run() -> Result {
    let checks = [memory(), disk(), blas(), threads(), locale()]
    return Result(
      healthy: checks.allSatisfy(\.ok), checks: checks,
      versions: Dictionary(uniqueKeysWithValues: BuildInfo.parts.map { ($0.name, $0.version) }))
  }

  private func memory() -> Result.Check {
    let bytes = Double(ProcessInfo.processInfo.physicalMemory)
    let gib = bytes / 1_073_741_824
    // A million customers with all features need about half a GiB.
    return Result.Check(
      name: "memory", ok: gib >= 1,
      finding: String(format: "%.1f GiB: about %.0f million customers", gib, gib * 2))
  }

  private func disk() -> Result.Check {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
    let free = (attributes?[.systemFreeSize] as? NSNumber)?.doubleValue
    let writable = FileManager.default.isWritableFile(atPath: folder)
    guard let free else {
      return Result.Check(name: "disk", ok: false, finding: "\(folder) cannot be looked at")
    }
    return Result.Check(
      name: "disk", ok: writable && free > 1e9,
      finding: String(
        format: "%.1f GB free, %@", free / 1e9, writable ? "writable" : "not writable"))
  }

  /// Some builds of OpenBLAS compute wrong products on processors newer than they are.
  private func blas() -> Result.Check {
    openblas_set_num_threads(1)
    var worst = 0.0
    // Shapes of K-Means: thin, tall, and a square that fills the blocked kernels.
    for (m, n, k) in [(8, 512, 8), (64, 512, 32), (300, 300, 300)] {
      let a = (0..<m * k).map { Float(($0 * 7919) % 1013) / 1013 - 0.5 }
      let b = (0..<k * n).map { Float(($0 * 104_729) % 997) / 997 - 0.5 }
      var c = [Float](repeating: 0, count: m * n)
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(m), Int32(n), Int32(k), 1, a, Int32(k), b,
        Int32(n), 0, &c, Int32(n))
      for row in stride(from: 0, to: m, by: 7) {
        for column in stride(from: 0, to: n, by: 11) {
          let exact = (0..<k).reduce(0.0) {
            $0 + Double(a[row * k + $1]) * Double(b[$1 * n + column])
          }
          worst = max(worst, abs(Double(c[row * n + column]) - exact))
        }
      }
    }
    let ok = worst < 1e-4
    return Result.Check(
      name: "blas", ok: ok,
      finding: "OpenBLAS \(String(cString: openblas_get_corename())), largest error of a product "
        + String(format: "%.1e", worst)
        + (ok ? "" : ": wrong on this processor, set OPENBLAS_CORETYPE=Haswell"))
  }

  private func threads() -> Result.Check {
    let cores = Workers.availableThreads
    return Result.Check(name: "threads", ok: true, finding: "\(cores) cores for this process")
  }

  private func locale() -> Result.Check {
    // Nothing of ours asks the locale; a C library that did would write 0,5.
    let half = String(format: "%.1f", 0.5)
    return Result.Check(
      name: "locale", ok: half == "0.5",
      finding: half == "0.5" ? "numbers are written 0.5" : "numbers are written \(half)")
  }
}
