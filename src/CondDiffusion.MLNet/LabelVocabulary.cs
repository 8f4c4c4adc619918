using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>The labels that a key column can hold: how many, and where the column says so, what each key stands for.</summary>
/// <param name="Count">Keys run from 1 to this.</param>
/// <param name="Values">The value of each key as text, in the keys' order; null where the column does not say.</param>
internal sealed record LabelVocabulary(int Count, IReadOnlyList<string>? Values)
{
    private const string KeyValues = "KeyValues";

    /// <summary>Reads the vocabulary of a key column.</summary>
    public static LabelVocabulary Of(DataViewSchema.Column column) =>
        new(checked((int)((KeyDataViewType)column.Type).Count), ReadValues(column));

    /// <summary>Whether both agree on what each key means, as far as both say.</summary>
    public bool Matches(LabelVocabulary other) =>
        Count == other.Count && (Values is null || other.Values is null || Values.SequenceEqual(other.Values));

    /// <summary>The row of the label table for a value, or for a key's number where values are unknown.</summary>
    /// <exception cref="ArgumentException">There is no such label.</exception>
    public int IndexOf(string label)
    {
        for (var i = 0; i < Count; i++)
            if (label == (Values?[i] ?? (i + 1).ToString(CultureInfo.InvariantCulture))) return i;
        throw new ArgumentException($"'{label}' is none of the model's {this}.", nameof(label));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        const int Shown = 12;
        if (Values is null) return $"{Count} labels";
        return $"{Count} labels ({string.Join(", ", Values.Take(Shown))}{(Values.Count > Shown ? ", ..." : "")})";
    }

    private static List<string>? ReadValues(DataViewSchema.Column column)
    {
        var kind = column.Annotations.Schema.GetColumnOrNull(KeyValues);
        if (kind?.Type is not VectorDataViewType vector) return null;
        List<string> Read<T>()
        {
            VBuffer<T> values = default;
            column.Annotations.GetValue(KeyValues, ref values);
            return [.. values.DenseValues().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")];
        }

        var type = vector.ItemType.RawType;
        return
            type == typeof(ReadOnlyMemory<char>) ? Read<ReadOnlyMemory<char>>() :
            type == typeof(bool) ? Read<bool>() :
            type == typeof(byte) ? Read<byte>() :
            type == typeof(sbyte) ? Read<sbyte>() :
            type == typeof(short) ? Read<short>() :
            type == typeof(ushort) ? Read<ushort>() :
            type == typeof(int) ? Read<int>() :
            type == typeof(uint) ? Read<uint>() :
            type == typeof(long) ? Read<long>() :
            type == typeof(ulong) ? Read<ulong>() :
            type == typeof(float) ? Read<float>() :
            type == typeof(double) ? Read<double>() :
            null;
    }
}
