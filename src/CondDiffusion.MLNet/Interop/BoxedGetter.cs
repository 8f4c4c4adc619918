using Microsoft.ML;

namespace CondDiffusion.MLNet.Interop;

/// <summary>Reads the values of a label column as they are: keys, texts, numbers or booleans.</summary>
internal static class BoxedGetter
{
    private static readonly Dictionary<Type, Func<DataViewRow, DataViewSchema.Column, Func<object>>> Creators = new()
    {
        [typeof(bool)] = Create<bool>,
        [typeof(sbyte)] = Create<sbyte>,
        [typeof(byte)] = Create<byte>,
        [typeof(short)] = Create<short>,
        [typeof(ushort)] = Create<ushort>,
        [typeof(int)] = Create<int>,
        [typeof(uint)] = Create<uint>,
        [typeof(long)] = Create<long>,
        [typeof(ulong)] = Create<ulong>,
        [typeof(float)] = Create<float>,
        [typeof(double)] = Create<double>,
        [typeof(ReadOnlyMemory<char>)] = CreateText,
    };

    /// <summary>Creates a getter of the current row's value, in the raw type of the column.</summary>
    public static Func<object> Create(DataViewRow row, DataViewSchema.Column column) =>
        Creators[column.Type.RawType](row, column);

    private static Func<object> Create<T>(DataViewRow row, DataViewSchema.Column column)
        where T : struct
    {
        var getter = row.GetGetter<T>(column);
        T value = default;
        return () =>
        {
            getter(ref value);
            return value;
        };
    }

    // The memory of a text is the cursor's, which may fill it again.
    private static Func<object> CreateText(DataViewRow row, DataViewSchema.Column column)
    {
        var getter = Create<ReadOnlyMemory<char>>(row, column);
        return () => $"{(ReadOnlyMemory<char>)getter()}".AsMemory();
    }
}
