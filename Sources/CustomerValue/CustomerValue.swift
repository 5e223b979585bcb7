// CustomerValue
