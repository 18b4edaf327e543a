"""Ibis on Spark, with what its compiler lacks or has another result for than the other engines.

Ibis has no public way to add to a compiler; so this is what to look at when its version changes.
"""

import re
from typing import Any, ClassVar

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.pyspark import Backend
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.expr.types import Expr


class Compiler(PySparkCompiler):
    """What models say, in words of Spark that mean it.

    JSON is a VARIANT, which knows a text from a number, and needs no Python on the workers.
    """

    # These become methods, of each class anew, and would hide those below.
    SIMPLE_OPS: ClassVar[dict[type[ops.Node], str]] = {}

    def visit_Cast(self, op: ops.Cast, *, arg: Any, to: dt.DataType) -> Any:
        """Text to JSON, and JSON to text; others as usual."""
        if to.is_json() and op.arg.dtype.is_string():
            return self.f.anon.parse_json(arg)
        if op.arg.dtype.is_json() and to.is_string():
            return self.f.to_json(arg)
        return super().visit_Cast(op, arg=arg, to=to)

    def visit_ToJSONArray(self, op: ops.Node, *, arg: Any) -> Any:
        """The items of a list; null for anything else."""
        return self.f.anon.try_variant_get(arg, "$", "array<variant>")

    def visit_JSONGetItem(self, op: ops.Node, *, arg: Any, index: Any) -> Any:
        """What an object has under a name, or a list at a place; null where it has nothing."""
        path = "$[%s]" if op.index.dtype.is_integer() else "$['%s']"
        return self.f.anon.try_variant_get(arg, self.f.format_string(path, index))

    def visit_UnwrapJSONString(self, op: ops.Node, *, arg: Any) -> Any:
        """The text, if it is one."""
        is_text = self.f.anon.schema_of_variant(arg).eq(sge.convert("STRING"))
        return self.if_(is_text, self.f.anon.try_variant_get(arg, "$", "string"), sge.Null())

    def visit_NonNullLiteral(self, op: ops.Node, *, value: Any, dtype: dt.DataType) -> Any:
        """To Spark, 100.0 is a decimal, and so would be what is computed with it."""
        if dtype.is_floating():
            return self.cast(sge.convert(repr(float(value))), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_CountStar(self, op: ops.Node, *, arg: Any, where: Any) -> Any:
        """Of no rows, none fulfils a condition: a sum of them would be null."""
        if where is not None:
            return self.f.count_if(where)
        return super().visit_CountStar(op, arg=arg, where=where)

    def visit_RegexSearch(self, op: ops.Node, *, arg: Any, pattern: Any) -> Any:
        """Whether the pattern is found in the text."""
        return self.f.regexp_like(arg, _pattern_of_java(pattern))

    def visit_RegexExtract(self, op: ops.Node, *, arg: Any, pattern: Any, index: Any) -> Any:
        """What a group of the pattern finds; an empty text, if it is not found."""
        return self.f.regexp_extract(arg, _pattern_of_java(pattern), index)

    def visit_RegexReplace(self, op: ops.Node, *, arg: Any, pattern: Any, replacement: Any) -> Any:
        """The text with another one wherever the pattern is found."""
        if isinstance(replacement, sge.Literal):
            in_java = replacement.this.replace("$", r"\$")
            replacement = sge.convert(re.sub(r"\\(\d)", r"$\1", in_java))
        return self.f.regexp_replace(arg, _pattern_of_java(pattern), replacement)

    def visit_ScalarUDF(self, op: ops.ScalarUDF, **given: Any) -> Any:
        """A function of the engine; of that of `transforms.times`, others have one for each way."""
        if self.__sql_name__(op) != "timezone":
            return super().visit_ScalarUDF(op, **given)
        zone, at = given.values()
        from_clock = op.args[1].dtype.timezone is None
        way = (zone, "UTC") if from_clock else ("UTC", zone)
        return self.f.anon.convert_timezone(*way, at)

    def visit_BitOr(self, op: ops.Node, *, arg: Any, where: Any) -> Any:
        """The bits that are set in any of the numbers."""
        return self.agg.bit_or(arg, where=where)


def _pattern_of_java(pattern: Any) -> Any:
    """To Java, `$` is before a last line feed, too."""
    if not isinstance(pattern, sge.Literal):
        return pattern
    parts = re.findall(r"\\.|\[(?:\\.|[^\]\\])*\]|.", pattern.this, re.DOTALL)
    return sge.convert("".join(r"\z" if part == "$" else part for part in parts))


class SparkBackend(Backend):
    """Ibis on Spark; no rows go through pandas, whose texts and integers cannot be null."""

    compiler = Compiler()

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        rows = self._session.createDataFrame(op.data.to_pyarrow(op.schema))
        rows.createOrReplaceTempView(op.name)

    def to_pyarrow(
        self, expr: Expr, /, *, params: Any = None, limit: Any = None, **kwargs: Any
    ) -> Any:
        """The rows, with the types of the expression."""
        table = expr.as_table()
        self._run_pre_execute_hooks(table)
        found: pa.Table = self.raw_sql(self.compile(table, params=params, limit=limit)).toArrow()
        return expr.__pyarrow_result__(found.cast(table.schema().to_pyarrow()))
