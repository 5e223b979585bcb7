import Columnar

extension Configuration {
  /// `tranche.config.v1`: every setting, with its origin.
  public struct Listing: Encodable, Sendable {
    public struct Setting: Encodable, Sendable {
      public var key: String
      public var value: String?
      public var origin: String
      public var help: String
    }
    public var schema = "tranche.config.v1"
    public var settings: [Setting]
  }

  public var listing: Listing {
    let known = Dictionary(uniqueKeysWithValues: entries.map { ($0.key.path, $0) })
    return Listing(
      settings: ConfigurationKey.all.map { key in
        let entry = known[key.path]
        return Listing.Setting(
          key: key.path, value: entry?.value.description,
          origin: entry?.origin.description ?? "not set", help: key.help)
      } + sourceSettings)
  }

  /// Named databases, without what must not be shown.
  private var sourceSettings: [Listing.Setting] {
    guard let sources else { return [] }
    return sources.named.sorted { $0.key < $1.key }.flatMap { name, source in
      let parts = [
        ("driver", source.driver), ("entry", source.entry), ("uri", source.uri),
        ("query", source.query), ("table", source.table),
      ]
      let options = source.options.map { option in
        ("options.\"\(option.key)\"", Optional(option.shownValue))
      }
      return (parts + options).compactMap { key, value in
        value.map {
          Listing.Setting(
            key: "sources.\(name).\(key)", value: "\"\(DatabaseAddress.redacted($0))\"",
            origin: Origin.file(sources.file).description, help: "of the database source:\(name)")
        }
      }
    }
  }
}
