import Foundation
import TestSupport
import Testing

/// The kernels compile for processors that the tests do not run on.
@Suite struct PortabilityTests {
  private static let clang: URL? =
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { URL(fileURLWithPath: String($0)).appendingPathComponent("clang") }
    .first { FileManager.default.isExecutableFile(atPath: $0.path) }

  /// Without a sysroot: a C library's headers are not needed but for two functions' names.
  @Test(.enabled(if: Self.clang != nil, "clang is not on PATH"))
  func everyKernelCompilesForARM64() throws {
    let clang = try #require(Self.clang)
    let folder = try TemporaryFolder()
    _ = try folder.write("math.h", "double sqrt(double);\ndouble fabs(double);\n")
    let sources = Repository.root.appendingPathComponent("Sources/CKernels")
    let names = try FileManager.default.contentsOfDirectory(atPath: sources.path)
      .filter { $0.hasSuffix(".c") }.sorted()
    #expect(names.count >= 5)
    for name in names {
      let result = try Shell.run(
        clang,
        [
          "--target=aarch64-unknown-none", "-ffreestanding", "-std=c17", "-O0", "-Werror", "-Wall",
          "-isystem", folder.url.path, "-I", sources.appendingPathComponent("include").path, "-c",
          sources.appendingPathComponent(name).path, "-o", folder.path(name + ".o"),
        ])
      #expect(result.status == 0, "\(name): \(result.errors)")
    }
  }
}
