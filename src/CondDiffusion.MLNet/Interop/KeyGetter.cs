using Microsoft.ML;

namespace CondDiffusion.MLNet.Interop;

/// <summary>Reads a key column, whichever of the four unsigned integer types its keys have.</summary>
internal static class KeyGetter
{
    /// <summary>
    /// Creates a getter of the current row's key: 1 to the number of keys, or 0 if the key is missing.
    /// </summary>
    public static Func<ulong> Create(DataViewRow row, DataViewSchema.Column column)
    {
        var type = column.Type.RawType;
        if (type == typeof(byte)) return Create<byte>(row, column, key => key);
        if (type == typeof(ushort)) return Create<ushort>(row, column, key => key);
        if (type == typeof(uint)) return Create<uint>(row, column, key => key);
        return Create<ulong>(row, column, key => key);
    }

    private static Func<ulong> Create<T>(DataViewRow row, DataViewSchema.Column column, Func<T, ulong> widen)
    {
        var getter = row.GetGetter<T>(column);
        T key = default!;
        return () =>
        {
            getter(ref key);
            return widen(key);
        };
    }
}
