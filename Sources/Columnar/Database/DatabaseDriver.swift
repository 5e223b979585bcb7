import Foundation
import Glibc

/// The ADBC driver libraries (arrow.apache.org/adbc) that open databases.
package enum DatabaseDriver {
  /// The library of a driver: a path as it is, a name as `libadbc_driver_NAME.so` in the configured
  /// folder, in `.deps/adbc` of the checkout that the program was built in, in `lib/tranche` beside
  /// the program's folder, else wherever the system finds libraries.
  package static func library(_ driver: String, settings: DatabaseSettings) throws -> String {
    if driver.contains("/") {
      guard access(driver, R_OK) == 0 else {
        throw InputError(
          .configuration, "there is no driver library", file: driver,
          hint: "check the path in the configuration")
      }
      return driver
    }
    let file = "libadbc_driver_\(driver).so"
    for folder in folders(settings) {
      let path = folder + "/" + file
      if access(path, R_OK) == 0 { return path }
    }
    return file
  }

  private static func folders(_ settings: DatabaseSettings) -> [String] {
    var folders = settings.driverFolder.map { [$0] } ?? []
    var folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent()
    folders.append(folder.deletingLastPathComponent().path + "/lib/tranche")
    // .build/x86_64-unknown-linux-gnu/release/tranche
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    folders.append(folder.path + "/.deps/adbc")
    return folders
  }

  static func missing(_ driver: String, _ library: String, said: String) -> InputError {
    let isAbsent = said.contains("cannot open shared object file")
    return InputError(
      .configuration,
      isAbsent
        ? "the ADBC driver \"\(driver)\" is not installed"
        : "the ADBC driver \(library) cannot be loaded: \(said)",
      hint: isAbsent
        ? "run scripts/setup databases, or set TRANCHE_ADBC_DRIVERS to the folder of "
          + "libadbc_driver_\(driver.split(separator: "/").last ?? "").so"
        : "give the library of an ADBC driver")
  }
}
