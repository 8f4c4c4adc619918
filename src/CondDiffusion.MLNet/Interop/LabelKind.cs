using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Interop;

/// <summary>
/// Converts the values of labels to and from text. A column's annotation holds them as text, numbers or booleans; the
/// library holds them as text, and one instance of this class converts each kind.
/// </summary>
internal abstract class LabelKind
{
    private static readonly Dictionary<DataKind, LabelKind> Kinds = new()
    {
        [DataKind.String] = new Typed<ReadOnlyMemory<char>>(TextDataViewType.Instance, text => text.AsMemory()),
        [DataKind.Boolean] = CreateParsed<bool>(BooleanDataViewType.Instance),
        [DataKind.SByte] = CreateParsed<sbyte>(NumberDataViewType.SByte),
        [DataKind.Byte] = CreateParsed<byte>(NumberDataViewType.Byte),
        [DataKind.Int16] = CreateParsed<short>(NumberDataViewType.Int16),
        [DataKind.UInt16] = CreateParsed<ushort>(NumberDataViewType.UInt16),
        [DataKind.Int32] = CreateParsed<int>(NumberDataViewType.Int32),
        [DataKind.UInt32] = CreateParsed<uint>(NumberDataViewType.UInt32),
        [DataKind.Int64] = CreateParsed<long>(NumberDataViewType.Int64),
        [DataKind.UInt64] = CreateParsed<ulong>(NumberDataViewType.UInt64),
        [DataKind.Single] = CreateParsed<float>(NumberDataViewType.Single),
        [DataKind.Double] = CreateParsed<double>(NumberDataViewType.Double),
    };

    /// <summary>Finds the converter of a kind of values; returns null if labels cannot be of that kind.</summary>
    public static LabelKind? Find(DataKind kind) => Kinds.GetValueOrDefault(kind);

    /// <summary>Finds the kind of values of a column type; returns null if labels cannot be of that type.</summary>
    public static DataKind? FindName(DataViewType itemType)
    {
        foreach (var (name, kind) in Kinds)
        {
            if (kind.ItemType.Equals(itemType)) return name;
        }

        return null;
    }

    protected abstract PrimitiveDataViewType ItemType { get; }

    /// <summary>Reads an annotation, which must be a vector of this kind, as text.</summary>
    public abstract IReadOnlyList<string> Read(DataViewSchema.Annotations annotations, string name);

    /// <summary>Creates a getter of a column's value in the current row, as text.</summary>
    public abstract Func<string> CreateGetter(DataViewRow row, DataViewSchema.Column column);

    /// <summary>Adds an annotation that is a vector of this kind, from text.</summary>
    /// <exception cref="FormatException">One of the values does not denote a value of this kind.</exception>
    /// <exception cref="OverflowException">One of the numbers is outside the range of this kind.</exception>
    public abstract void Write(
        DataViewSchema.Annotations.Builder annotations, string name, IReadOnlyList<string> values);

    private static Typed<T> CreateParsed<T>(PrimitiveDataViewType type)
        where T : IParsable<T> => new(type, text => T.Parse(text, CultureInfo.InvariantCulture));

    private sealed class Typed<T>(PrimitiveDataViewType type, Func<string, T> parse) : LabelKind
    {
        protected override PrimitiveDataViewType ItemType => type;

        public override IReadOnlyList<string> Read(DataViewSchema.Annotations annotations, string name)
        {
            VBuffer<T> values = default;
            annotations.GetValue(name, ref values);
            return [.. values.DenseValues().Select(ToText)];
        }

        public override Func<string> CreateGetter(DataViewRow row, DataViewSchema.Column column)
        {
            var getter = row.GetGetter<T>(column);
            T value = default!;
            return () =>
            {
                getter(ref value);
                return ToText(value);
            };
        }

        public override void Write(
            DataViewSchema.Annotations.Builder annotations, string name, IReadOnlyList<string> values)
        {
            var typed = new VBuffer<T>(values.Count, [.. values.Select(parse)]);
            annotations.Add<VBuffer<T>>(
                name, new VectorDataViewType(type, values.Count), (ref VBuffer<T> copy) => typed.CopyTo(ref copy));
        }

        private static string ToText(T value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
    }
}
