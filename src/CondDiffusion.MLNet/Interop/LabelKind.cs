using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Interop;

/// <summary>Takes the values of labels, of text, number or boolean kind, from annotations of columns and back to them; in between they are text.</summary>
internal abstract class LabelKind
{
    private static readonly Dictionary<DataKind, LabelKind> Kinds = new()
    {
        [DataKind.String] = new Typed<ReadOnlyMemory<char>>(TextDataViewType.Instance, text => text.AsMemory()),
        [DataKind.Boolean] = Parsed<bool>(BooleanDataViewType.Instance),
        [DataKind.SByte] = Parsed<sbyte>(NumberDataViewType.SByte),
        [DataKind.Byte] = Parsed<byte>(NumberDataViewType.Byte),
        [DataKind.Int16] = Parsed<short>(NumberDataViewType.Int16),
        [DataKind.UInt16] = Parsed<ushort>(NumberDataViewType.UInt16),
        [DataKind.Int32] = Parsed<int>(NumberDataViewType.Int32),
        [DataKind.UInt32] = Parsed<uint>(NumberDataViewType.UInt32),
        [DataKind.Int64] = Parsed<long>(NumberDataViewType.Int64),
        [DataKind.UInt64] = Parsed<ulong>(NumberDataViewType.UInt64),
        [DataKind.Single] = Parsed<float>(NumberDataViewType.Single),
        [DataKind.Double] = Parsed<double>(NumberDataViewType.Double),
    };

    /// <summary>The kind with a name; null for other kinds of data.</summary>
    public static LabelKind? Find(DataKind kind) => Kinds.GetValueOrDefault(kind);

    /// <summary>The name of a type of values; null for other kinds of data.</summary>
    public static DataKind? NameOf(DataViewType itemType)
    {
        foreach (var (name, kind) in Kinds)
            if (kind.ItemType.Equals(itemType)) return name;
        return null;
    }

    protected abstract PrimitiveDataViewType ItemType { get; }

    /// <summary>Reads an annotation that is a vector of this kind.</summary>
    public abstract IReadOnlyList<string> Read(DataViewSchema.Annotations annotations, string name);

    /// <summary>Adds an annotation with these values.</summary>
    /// <exception cref="FormatException">One of the values is none of this kind.</exception>
    public abstract void Write(DataViewSchema.Annotations.Builder annotations, string name, IReadOnlyList<string> values);

    private static Typed<T> Parsed<T>(PrimitiveDataViewType type)
        where T : IParsable<T> => new(type, text => T.Parse(text, CultureInfo.InvariantCulture));

    private sealed class Typed<T>(PrimitiveDataViewType type, Func<string, T> parse) : LabelKind
    {
        protected override PrimitiveDataViewType ItemType => type;

        public override IReadOnlyList<string> Read(DataViewSchema.Annotations annotations, string name)
        {
            VBuffer<T> values = default;
            annotations.GetValue(name, ref values);
            return [.. values.DenseValues().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")];
        }

        public override void Write(DataViewSchema.Annotations.Builder annotations, string name, IReadOnlyList<string> values)
        {
            var typed = new VBuffer<T>(values.Count, [.. values.Select(parse)]);
            annotations.Add<VBuffer<T>>(name, new VectorDataViewType(type, values.Count), (ref VBuffer<T> copy) => typed.CopyTo(ref copy));
        }
    }
}
