using Microsoft.ML;

namespace CondDiffusion.MLNet.Interop;

/// <summary>
/// Creates the exceptions for wrong use of a row or a cursor, so that every view of the library words them alike.
/// </summary>
internal static class RowErrors
{
    /// <summary>Creates the exception for a getter of a column that was not requested.</summary>
    public static InvalidOperationException Inactive(DataViewSchema.Column column) => new(
        $"Column '{column.Name}' is not active: it was not among the columns requested for this cursor or row.");

    /// <summary>Creates the exception for a getter whose value type is not the column's.</summary>
    public static InvalidOperationException WrongType(DataViewSchema.Column column, Type requested) => new(
        $"Column '{column.Name}' holds values of type {column.Type.RawType}, " +
        $"but a getter of values of type {requested} was requested.");

    /// <summary>Creates the exception for a row of another schema than that of a row mapper.</summary>
    public static ArgumentException WrongSchema(string parameter) => new(
        "The row's schema differs from the one that this mapper was created for.", parameter);

    /// <summary>Creates the exception for a value that is read before the first row or after the last one.</summary>
    public static InvalidOperationException NotOnRow() => new(
        "The cursor is not on a row: call MoveNext first, and read values only while it returns true.");
}
