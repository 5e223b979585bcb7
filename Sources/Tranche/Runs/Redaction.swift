import Columnar

/// Passwords in addresses of databases are not for screens, logs and manifests.
public enum Redaction {
  /// A word of a command line as it may be shown.
  public static func shown(_ word: String) -> String { DatabaseAddress.redacted(word) }
}
