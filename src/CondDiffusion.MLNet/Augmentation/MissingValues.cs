using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>
/// Makes the values of columns that a generated row cannot have: missing ones, as ML.NET knows them for each type. An
/// integer and a boolean have none, and are 0 and false.
/// </summary>
internal static class MissingValues
{
    private static readonly Dictionary<Type, Func<int, object>> Vectors = new()
    {
        [typeof(VBuffer<float>)] = size => Fill(size, float.NaN),
        [typeof(VBuffer<double>)] = size => Fill(size, double.NaN),
        [typeof(VBuffer<ReadOnlyMemory<char>>)] = size => Fill<ReadOnlyMemory<char>>(size, default),
        [typeof(VBuffer<bool>)] = size => Fill(size, false),
        [typeof(VBuffer<sbyte>)] = size => Fill<sbyte>(size, 0),
        [typeof(VBuffer<byte>)] = size => Fill<byte>(size, 0),
        [typeof(VBuffer<short>)] = size => Fill<short>(size, 0),
        [typeof(VBuffer<ushort>)] = size => Fill<ushort>(size, 0),
        [typeof(VBuffer<int>)] = size => Fill(size, 0),
        [typeof(VBuffer<uint>)] = size => Fill(size, 0u),
        [typeof(VBuffer<long>)] = size => Fill(size, 0L),
        [typeof(VBuffer<ulong>)] = size => Fill(size, 0ul),
    };

    /// <summary>Returns the missing value of a column.</summary>
    public static T Create<T>(DataViewType type)
    {
        if (typeof(T) == typeof(float)) return (T)(object)float.NaN;
        if (typeof(T) == typeof(double)) return (T)(object)double.NaN;

        // A vector of unknown size is empty.
        return type is VectorDataViewType vector && Vectors.TryGetValue(typeof(T), out var create)
            ? (T)create(vector.Size)
            : default!;
    }

    private static VBuffer<T> Fill<T>(int size, T value)
    {
        var values = new T[size];
        Array.Fill(values, value);
        return new(size, values);
    }
}
