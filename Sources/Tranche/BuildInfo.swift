import COpenBLAS
import Columnar
import Kernels

/// What this program is made of, for the manifest and `version`.
public enum BuildInfo {
  public static let version = "0.1.0"

  package static var parts: [(name: String, version: String)] {
    [
      ("tranche", version), ("swift", swiftVersion),
      ("arrow", ArrowLibrary.version),
      (
        "openblas",
        String(cString: openblas_get_config()).split(separator: " ").prefix(2).joined(
          separator: " ")
      ),
      ("openblas_core", String(cString: openblas_get_corename())),
      ("kernels", KernelSet.supported.map(\.name).joined(separator: " ")),
    ]
  }

  private static var swiftVersion: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }
}

extension BuildInfo {
  /// `tranche.version.v1`.
  public struct Listing: Encodable, Sendable {
    public var schema = "tranche.version.v1"
    public var parts: [String: String]
  }

  public static var listing: Listing {
    Listing(parts: Dictionary(uniqueKeysWithValues: parts.map { ($0.name, $0.version) }))
  }
}
