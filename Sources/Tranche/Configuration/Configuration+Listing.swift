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
      })
  }
}
