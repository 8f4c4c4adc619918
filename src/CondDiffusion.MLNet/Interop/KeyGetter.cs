using Microsoft.ML;

namespace CondDiffusion.MLNet.Interop;

/// <summary>Reads a key column of any of its four underlying types.</summary>
internal static class KeyGetter
{
    /// <summary>A getter of the key: 1..Count, or 0 where it is missing.</summary>
    public static Func<ulong> Create(DataViewRow row, DataViewSchema.Column column)
    {
        Func<ulong> Read<T>(Func<T, ulong> widen)
        {
            var getter = row.GetGetter<T>(column);
            T value = default!;
            return () =>
            {
                getter(ref value);
                return widen(value);
            };
        }

        var type = column.Type.RawType;
        return
            type == typeof(byte) ? Read<byte>(key => key) :
            type == typeof(ushort) ? Read<ushort>(key => key) :
            type == typeof(uint) ? Read<uint>(key => key) :
            Read<ulong>(key => key);
    }
}
