import Columnar

/// Which columns of the files mean what, and how their text is written.
package struct LedgerFormat: Sendable, Equatable {
  package var customerID = "customer_id"
  package var date = "date"
  package var amount = "amount"
  /// Used when the files have them and the asked features need them.
  package var channel = "channel"
  package var currency = "currency"
  package var type = "type"
  /// Names one transaction; only looked at when duplicates are dropped or refused.
  package var transactionID: String?

  package var dateFormat = DateFormat.iso
  package var decimalFormat = DecimalFormat()
  /// Digits kept after the decimal mark of text amounts: the minor unit. More digits in a file are
  /// an error, never rounded away. Nil: 4 for text, 0 for integers (already minor units).
  package var amountScale: Int?

  package enum Negative: String, Sendable, CaseIterable {
    /// A negative amount takes an earlier purchase back.
    case refund
    /// A negative amount is money going out; nothing is a refund.
    case debit
  }
  package var negative = Negative.refund

  package enum Refunds: String, Sendable, CaseIterable {
    /// Counted and subtracted.
    case net
    /// Excluded and counted as such.
    case drop
    /// The first one ends the run.
    case error
  }
  package var refunds = Refunds.net

  package enum Duplicates: String, Sendable, CaseIterable {
    /// Two equal rows are two transactions.
    case keep
    /// Later copies (same transaction id, or every column equal) go to the quarantine.
    case drop
    /// The first copy ends the run.
    case error
  }
  package var duplicates = Duplicates.keep

  /// Types (values of the `type` column) that are no transactions for our purpose.
  package var excludedTypes: [String] = []
  /// Factor to the reporting currency by currency code; nil: one currency only.
  package var rates: [String: Double]?

  package init() {}
}
