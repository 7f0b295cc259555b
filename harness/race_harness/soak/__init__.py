"""A soak: thousands to millions of trials over many scenarios and clients."""
