using CondDiffusion.MLNet.Files;
using CondDiffusion.MLNet.Imaging;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet;

/// <summary>Composes many small images into one, a grid.</summary>
public static class ImageGrid
{
    private const byte Background = 64;

    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".webp"];

    /// <summary>Saves images as one grid, row by row from the top left, on a dark grey background.</summary>
    /// <remarks>
    /// The file appears under its name only when it is complete, and replaces one of that name. PNG is exact.
    /// </remarks>
    /// <param name="images">The images, at least one, all of one size. They are not disposed.</param>
    /// <param name="columns">Images in a row, at least 1. The last row may be shorter.</param>
    /// <param name="path">
    /// The file to write: .png, .jpg, .jpeg or .webp. Its directory is created where it is missing.
    /// </param>
    /// <param name="padding">
    /// Gap between the images and around them, in pixels of the grid, at least 0. Default: 1.
    /// </param>
    /// <param name="scale">
    /// Pixels of the grid, in each direction, for a pixel of an image; at least 1. Default: 1.
    /// </param>
    /// <exception cref="ArgumentException">
    /// There are no images, they differ in size, or the extension is another.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="columns"/>, <paramref name="padding"/> or <paramref name="scale"/> is too small.
    /// </exception>
    /// <exception cref="OverflowException">The grid would take more than 2 GB.</exception>
    public static void Save(IReadOnlyList<MLImage> images, int columns, string path, int padding = 1, int scale = 1)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var extension = Path.GetExtension(path);
        if (!Extensions.Contains(extension, StringComparer.OrdinalIgnoreCase))
        {
            throw new ArgumentException(
                $"'{path}': expected one of the extensions {string.Join(", ", Extensions)}, found '{extension}'.",
                nameof(path));
        }

        using var grid = Compose(images, columns, padding, scale);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);

        // The encoder chooses the format by the extension, which the temporary name has too.
        AtomicFile.Write(path, replace: true, grid.Save);
    }

    /// <summary>Makes the grid that <see cref="Save"/> writes.</summary>
    internal static MLImage Compose(IReadOnlyList<MLImage> images, int columns, int padding, int scale)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        if (images.Count == 0)
            throw new ArgumentException("Expected at least one image, found none.", nameof(images));

        var height = images[0].Height;
        var width = images[0].Width;
        for (var i = 1; i < images.Count; i++)
        {
            if ((images[i].Height, images[i].Width) != (height, width))
            {
                throw new ArgumentException($"Expected images of one size: image 0 is {width} x {height} pixels, " +
                    $"image {i} is {images[i].Width} x {images[i].Height}.", nameof(images));
            }
        }

        columns = Math.Min(columns, images.Count);
        var rows = (images.Count + columns - 1) / columns;
        var cellHeight = checked(height * scale + padding);
        var cellWidth = checked(width * scale + padding);
        var gridHeight = checked(rows * cellHeight + padding);
        var gridWidth = checked(columns * cellWidth + padding);
        var grid = new Canvas(new byte[checked(gridHeight * gridWidth * 4)], gridWidth);
        grid.Clear();
        for (var i = 0; i < images.Count; i++)
            grid.Draw(images[i], i / columns * cellHeight + padding, i % columns * cellWidth + padding, scale);
        return MLImage.CreateFromPixels(gridWidth, gridHeight, MLPixelFormat.Bgra32, grid.Bgra);
    }

    private readonly record struct Canvas(byte[] Bgra, int Width)
    {
        public void Clear()
        {
            for (var i = 0; i < Bgra.Length; i++)
                Bgra[i] = i % 4 == 3 ? (byte)255 : Background;
        }

        public void Draw(MLImage image, int top, int left, int scale)
        {
            var source = PixelConversion.ToBgr(image).AsSpan();
            var width = image.Width;
            var height = image.Height;
            for (var y = 0; y < height * scale; y++)
            {
                for (var x = 0; x < width * scale; x++)
                {
                    var from = source.Slice((y / scale * width + x / scale) * 3, 3);
                    from.CopyTo(Bgra.AsSpan(((top + y) * Width + left + x) * 4, 3));
                }
            }
        }
    }
}
