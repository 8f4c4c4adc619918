using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Interop;

/// <summary>A column of labels, read as text: that of the value which a key stands for, where it has values.</summary>
internal sealed class LabelReader
{
    /// <summary>The annotation in which a key column has its values.</summary>
    public const string KeyValues = "KeyValues";

    private readonly DataViewSchema.Column _column;

    /// <param name="column">The column.</param>
    /// <param name="view">What messages call the data: "the {view} data".</param>
    /// <exception cref="ArgumentException">The column holds no labels.</exception>
    public LabelReader(DataViewSchema.Column column, string view)
    {
        _column = column;
        if (column.Type is KeyDataViewType key)
        {
            if (FindKind(column) is { } kind) Values = ReadValues(column.Annotations, kind);
            HasValues = Values is not null;
        }
        else if (!CanRead(column.Type))
        {
            throw new ArgumentException(
                $"Column '{column.Name}' of the {view} data must hold labels: keys, texts, numbers or booleans; but " +
                $"it is of type {column.Type}.",
                view);
        }
    }

    /// <summary>Gets whether the column has the values of its labels, not only the numbers of keys.</summary>
    public bool HasValues { get; } = true;

    /// <summary>Gets the values of a key column's labels; null where it has none, or is no key column.</summary>
    public IReadOnlyList<string>? Values { get; }

    /// <summary>Gets the column's name.</summary>
    public string Name => _column.Name;

    /// <summary>Returns whether values of a type can be read as text.</summary>
    public static bool CanRead(DataViewType type) => type is KeyDataViewType || LabelKind.FindName(type) is not null;

    /// <summary>Returns the kind of a key column's values; null where not every key has one.</summary>
    public static DataKind? FindKind(DataViewSchema.Column column) =>
        column.Annotations.Schema.GetColumnOrNull(KeyValues)?.Type is VectorDataViewType type &&
        (ulong)type.Size == ((KeyDataViewType)column.Type).Count
            ? LabelKind.FindName(type.ItemType)
            : null;

    /// <summary>Reads the values of a key column as texts.</summary>
    public static IReadOnlyList<string> ReadValues(DataViewSchema.Annotations annotations, DataKind kind) =>
        LabelKind.Find(kind)!.Read(annotations, KeyValues);

    /// <summary>Creates a getter of the current row's label, which is empty where it is missing.</summary>
    public Func<string> CreateGetter(DataViewRow row)
    {
        if (_column.Type is KeyDataViewType type)
        {
            var getKey = KeyGetter.Create(row, _column);
            return () =>
            {
                var key = getKey();
                if (key == 0 || key > type.Count) return "";
                return Values is null ? key.ToString(CultureInfo.InvariantCulture) : Values[(int)key - 1];
            };
        }

        var getText = LabelKind.Find(LabelKind.FindName(_column.Type)!.Value)!.CreateGetter(row, _column);
        if (_column.Type != NumberDataViewType.Single && _column.Type != NumberDataViewType.Double) return getText;

        return () => getText() is var text && text == "NaN" ? "" : text;
    }
}
