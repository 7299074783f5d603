"""Values in binary format -> exactly the text that the server's output function would give.

The text is the one under the session settings that the bridge pins (DateStyle ISO, IntervalStyle
postgres, TimeZone UTC, bytea_output hex, extra_float_digits above 0, lc_monetary C), so that
``binary 'true'`` changes what goes over the wire and nothing else.
"""

from decoders.binary.resolve import binary_to_text

__all__ = ["binary_to_text"]
