using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Augmentation;

/// <summary>
/// Makes the values of columns that a generated row cannot have: missing ones, as ML.NET knows them for each type.
/// Integers, booleans and dates have none, and are the default of their type.
/// </summary>
internal static class MissingValues
{
    /// <summary>Returns the missing value of a column.</summary>
    public static T Create<T>(DataViewType type) => (T)(Find(typeof(T), type) ?? default(T))!;

    /// <summary>Returns the missing value of a column; null if that is the default of its type.</summary>
    private static object? Find(Type raw, DataViewType type)
    {
        if (raw == typeof(float)) return float.NaN;
        if (raw == typeof(double)) return double.NaN;
        if (type is not VectorDataViewType { Size: > 0 and var size }) return null;
        if (raw == typeof(VBuffer<float>)) return Fill(size, float.NaN);
        if (raw == typeof(VBuffer<double>)) return Fill(size, double.NaN);

        // A vector of the type's size without explicit values.
        return Activator.CreateInstance(raw, size, 0, null, null);
    }

    private static VBuffer<T> Fill<T>(int size, T value)
    {
        var values = new T[size];
        Array.Fill(values, value);
        return new(size, values);
    }
}
