import Foundation
import Glibc

/// A PostgreSQL server of its own in a temporary folder, stopped when the last reference goes.
///
/// Without a password over the socket in its folder, with one over TCP.
public final class PostgreSQLServer: Sendable {
  public static let password = "p@ss/wört"
  /// As an address must write it.
  public static let encodedPassword = "p%40ss%2Fw%C3%B6rt"

  public let folder: TemporaryFolder
  public let port: Int
  private let programs: URL

  public struct Failed: Error, CustomStringConvertible {
    public let description: String
  }

  public init() throws {
    folder = try TemporaryFolder()
    port = try Self.freePort()
    let versions = URL(fileURLWithPath: "/usr/lib/postgresql")
    let found = try? FileManager.default.contentsOfDirectory(atPath: versions.path)
    guard let newest = found?.max(by: { (Int($0) ?? 0) < (Int($1) ?? 0) }) else {
      throw Failed(description: "PostgreSQL is missing: run `scripts/setup tests`")
    }
    programs = versions.appendingPathComponent("\(newest)/bin")
    let data = folder.path("data")
    let file = try folder.write("password", Self.password)
    // The server refuses to run as root.
    if geteuid() == 0 {
      for path in [folder.url.path, file] { try run("/bin/chown", ["postgres", path]) }
    }
    try asOwner(
      "initdb",
      [
        "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", file,
      ])
    let settings =
      "-k \(folder.url.path) -p \(port) -c listen_addresses=127.0.0.1 -c fsync=off"
    try asOwner("pg_ctl", ["-D", data, "-o", settings, "-l", folder.path("log"), "-w", "start"])
  }

  deinit { try? asOwner("pg_ctl", ["-D", folder.path("data"), "-m", "immediate", "-w", "stop"]) }

  /// `table=…` or `query=…` in the database "postgres", over the socket.
  public func address(_ selection: String) -> String {
    "postgresql://postgres@/postgres?host=\(folder.url.path)&port=\(port)&\(selection)"
  }

  /// The same over TCP, with a password.
  public func address(_ selection: String, password: String) -> String {
    "postgresql://postgres:\(password)@127.0.0.1:\(port)/postgres?\(selection)"
  }

  /// Runs statements; what they return, one line a row, columns parted by `|`.
  @discardableResult
  public func sql(_ statements: String...) throws -> String {
    try run(
      programs.appendingPathComponent("psql").path,
      ["-h", folder.url.path, "-p", "\(port)", "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1"]
        + statements.flatMap { ["-c", $0] }
    ).trimmingCharacters(in: .newlines)
  }

  private func asOwner(_ program: String, _ arguments: [String]) throws {
    let path = programs.appendingPathComponent(program).path
    let owner = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    // Through Python, which hands no open file down: a server that kept the one by which Foundation
    // notices a process's end would never let its starter end.
    let script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    try run(
      Repository.python.path, ["-c", script] + (geteuid() == 0 ? owner : []) + [path] + arguments)
  }

  @discardableResult
  private func run(_ program: String, _ arguments: [String]) throws -> String {
    let result = try Shell.run(
      URL(fileURLWithPath: program), arguments, folder: URL(fileURLWithPath: "/tmp"))
    guard result.status == 0 else {
      throw Failed(description: "\(program) \(arguments): \(result.errors)\(result.output)")
    }
    return result.output
  }

  private static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else {
      throw Failed(description: "no free port: \(String(cString: strerror(errno)))")
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
